// The product of 32 x 32 blocks in fp32, for one instruction set.
#pragma once
#include "cpu/vector.h"
#include "kernels/attention/blocks.h"

namespace attune::ATTUNE_ISA::attention_body {
using namespace attune::attention;

// The piece of C that stays in registers: rows x (vectors of 16). AVX-512: 8 x 2 sums + 2 + 1 of 32 registers, 16 independent sums hide the four
// cycles of two units. AVX2, where an F16 is two registers: 4 x 1 = 8 sums + 2 + 1 of 16.
#if defined(__AVX512F__)
constexpr int kRows = 8, kVectors = 2;
#else
constexpr int kRows = 4, kVectors = 1;
#endif

// C (32, 32) = or += the sum over `steps` of A B. A is [row][k], or [k][row] where `turned`; B is [k][column]; blocks of a step are a_step and
// b_step numbers apart. Sums run over steps and k ascending.
template <bool turned> static void product(float* c, bool fresh, const float* a, long a_step, const float* b, long b_step, long steps) {
  constexpr long row = turned ? 1 : 32, column = turned ? 32 : 1;
  for (int r = 0; r < 32; r += kRows)
    for (int v = 0; v < 32; v += 16 * kVectors) {
      F16 sum[kRows][kVectors];
#pragma GCC unroll 8
      for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
        for (int x = 0; x < kVectors; x++) sum[i][x] = fresh ? zero() : load(c + (r + i) * 32 + v + x * 16);
      for (long s = 0; s < steps; s++) {
        const float *left = a + s * a_step + r * row, *right = b + s * b_step + v;
        for (int k = 0; k < 32; k++) {
          F16 at[kVectors];
#pragma GCC unroll 2
          for (int x = 0; x < kVectors; x++) at[x] = load(right + k * 32 + x * 16);
#pragma GCC unroll 8
          for (int i = 0; i < kRows; i++) {
            const F16 one = set1(left[k * column + i * row]);
#pragma GCC unroll 2
            for (int x = 0; x < kVectors; x++) sum[i][x] = fma(one, at[x], sum[i][x]);
          }
        }
      }
#pragma GCC unroll 8
      for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
        for (int x = 0; x < kVectors; x++) store(c + (r + i) * 32 + v + x * 16, sum[i][x]);
    }
}

}  // namespace attune::ATTUNE_ISA::attention_body
