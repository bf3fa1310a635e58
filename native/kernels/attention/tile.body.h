// What forward and backward stand on, for one instruction set: a product of 32 x 32 blocks in fp32, and heads gathered to such blocks. Both number
// types are widened to fp32 when they are packed, so that everything between is one code.
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

// out[j][i] = in[i][j] of a block, by 8 x 8 squares: 24 shuffles each, and nothing but AVX.
static void transpose(const float* in, float* out) {
  for (int r = 0; r < 32; r += 8)
    for (int c = 0; c < 32; c += 8) {
      __m256 x[8], y[8];
      for (int i = 0; i < 8; i++) x[i] = _mm256_loadu_ps(in + (r + i) * 32 + c);
      for (int i = 0; i < 8; i += 2) y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]), y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
      for (int i = 0; i < 8; i += 4) {
        x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44), x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
        x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44), x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
      }
      for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(out + (c + i) * 32 + r, _mm256_permute2f128_ps(x[i], x[i + 4], 0x20));
        _mm256_storeu_ps(out + (c + i + 4) * 32 + r, _mm256_permute2f128_ps(x[i], x[i + 4], 0x31));
      }
    }
}

// Rotates the pair (a, b) by the angle whose cosine and sine are c and s; back: the transpose of it.
ATTUNE_INLINE void turn(F16& a, F16& b, F16 c, F16 s, bool back) {
  const F16 x = a, y = b, with = back ? zero() - s : s;
  a = fnma(y, with, x * c), b = fma(x, with, y * c);
}

// 32 tokens of one head, to D/32 blocks [32 tokens][32]; rows past the sequence are zero.
template <class T>
static void gather(const Job& j, const void* x, long columns, long feature, const Task& t, long block, bool rotate, float* to) {
  const long D = j.shape.D, half = D / 2;
  rotate = rotate && j.shape.cos;
  for (long i = 0; i < 32; i++, to += 32) {
    const long token = t.first + block * 32 + i;
    if (token >= t.last) {
      for (long d = 0; d < D; d += 16) store(to + d / 32 * kStep + d % 32, zero());
      continue;
    }
    const T* from = (const T*)x + rows_index(token, feature, columns);  // the next 32 columns are one block on
    for (long d = 0; d < half; d += 16) {
      F16 a = load(from + d / 32 * kStep + d % 32), b = load(from + (d + half) / 32 * kStep + d % 32);
      if (rotate) turn(a, b, load(j.shape.cos + token * half + d), load(j.shape.sin + token * half + d), false);
      store(to + d / 32 * kStep + d % 32, a), store(to + (d + half) / 32 * kStep + d % 32, b);
    }
  }
}

// 32 tokens' gradients of one head, blocks [32][32] times `factor`, to their rows; turned back where `rotated`.
template <class T>
static void scatter(const Job& j, const float* from, float factor, long feature, const Task& t, long block, bool rotated) {
  const long D = j.shape.D, half = D / 2;
  rotated = rotated && j.shape.cos;
  for (long i = 0, token = t.first + block * 32; i < 32 && token < t.last; i++, token++, from += 32) {
    T* to = (T*)j.dqkv + rows_index(token, feature, j.columns);
    for (long d = 0; d < half; d += 16) {
      F16 a = load(from + d / 32 * kStep + d % 32) * set1(factor), b = load(from + (d + half) / 32 * kStep + d % 32) * set1(factor);
      if (rotated) turn(a, b, load(j.shape.cos + token * half + d), load(j.shape.sin + token * half + d), true);
      store(to + d / 32 * kStep + d % 32, a), store(to + (d + half) / 32 * kStep + d % 32, b);
    }
  }
}

// tanh within 2e-7: e^(2x) - 1 as 2^n (2^f - 1) + (2^n - 1), |f| <= 1/2, so that small x keep all their digits; (2^f - 1) by its series, whose
// eighth term is below 6e-9. Beyond 9 it is 1 in fp32. The constants come first in min and max: a NaN passes.
ATTUNE_INLINE F16 tanh(F16 x) {
  const F16 y = max(set1(-9.f), min(set1(9.f), x)) * set1(2 * kLog2e), up = y + set1(0.5f), n = up - fraction(up), f = y - n;
  F16 p = fma(set1(1.52527338e-5f), f, set1(1.54035304e-4f));
  p = fma(p, f, set1(1.33335581e-3f));
  p = fma(p, f, set1(9.61812911e-3f));
  p = fma(p, f, set1(5.55041087e-2f));
  p = fma(p, f, set1(2.40226507e-1f));
  p = fma(p, f, set1(6.93147181e-1f));
  const F16 whole = scale2(set1(1.f), n), e = fma(whole, p * f, whole - set1(1.f));
  return e / (e + set1(2.f));
}

// Scores q.k of a block [32 keys][32 queries] to tanh(scale q.k / softcap); nothing to do where there is no soft cap.
static void cap(const Job& j, float* score) {
  const F16 inner = set1(j.shape.scale / j.shape.softcap);
  for (long i = 0; i < kStep; i += 16) store(score + i, tanh(load(score + i) * inner));
}
static void mask(const Job& j, const Task& t, float* score, long q, long k, float instead) {
  for (long r = 0; r < 32; r++) {
    const uint32_t bits = hidden(j.shape, q, k * 32 + r, t.last - t.first);
    store(score + r * 32, blend(load(score + r * 32), set1(instead), bits & 0xffff));
    store(score + r * 32 + 16, blend(load(score + r * 32 + 16), set1(instead), bits >> 16));
  }
}

}  // namespace attune::ATTUNE_ISA::attention_body
