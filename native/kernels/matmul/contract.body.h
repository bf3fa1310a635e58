// G (R, K) += L^T X, the sum over tokens: the register block of the product with its left side read across. A block [32 tokens][32 columns] of X is
// a square of panels as it lies, so fp32 needs no packing at all; bf16 is widened once per chunk.
// Sum order: tokens ascending within chunks of kTokens, chunks added to G one after the other (shorter chains: smaller rounding errors).
#pragma once
#include "kernels/matmul/product.body.h"

namespace attune::ATTUNE_ISA {

constexpr long kTokens = 256;   // per chunk: a column of X, 256 x 32 x 4 B = 32 KiB, stays in L1 while the register blocks of L pass it
constexpr long kColumns = 576;  // of X per pass: widened, 256 x 576 x 4 B = 576 KiB wait in L2 for every 32 columns of L

// A column of blocks of one side in fp32: where it lies, or widened to scratch.
struct Column {
  const float* at;
  long step;
};
ATTUNE_INLINE Column column_of(const float* x, long columns, long, float*) { return {x, columns * 32}; }
static inline Column column_of(const bf16* x, long columns, long blocks, float* scratch) {
  for (long b = 0; b < blocks; b++)
    for (long i = 0; i < kStep; i += 16) store(scratch + b * kStep + i, load(x + b * columns * 32 + i));
  return {scratch, kStep};
}

// workspace: contract_floats() of matmul.h.
template <class T> static void contract_of(const matmul::Sums& c, long from, long to, float* workspace) {
  const T *left = (const T*)c.left, *right = (const T*)c.right;
  float* wide = workspace + kTokens * 32;
  alignas(64) float done[1024];
  for (long n0 = from; n0 < to; n0 += kColumns)
    for (long m = 0; m < c.M; m += kTokens) {
      const long n1 = to < n0 + kColumns ? to : n0 + kColumns, blocks = ((c.M < m + kTokens ? c.M : m + kTokens) - m + 31) / 32;
      Run none{}, y[kColumns / 32];
      for (long n = n0; n < n1; n += 32) {
        const Column x = column_of(right + m * c.right_columns + n * 32, c.right_columns, blocks, wide + (n - n0) * kTokens);
        y[(n - n0) / 32] = {nullptr, 0, x.at, x.step, blocks};
      }
      for (long r = 0; r < c.R; r += 32) {
        const Column l = column_of(left + m * c.left_columns + r * 32, c.left_columns, blocks, workspace);
        for (long n = n0; n < n1; n += 32) {
          Run& run = y[(n - n0) / 32];
          run.left = l.at, run.left_step = l.step;
          for (long i = 0, rows; i < 32; i += rows)
            rows = rows_next(32 - i), register_rows<Sides::across>(rows, none, run, i, nullptr, done);
          float* out = c.out + r * c.K + n * 32;
          for (long i = 0; i < kStep; i += 16) store(out + i, load(out + i) + load(done + i));
        }
      }
    }
}

template <class T> static void column_sums_of(const T* x, long M, long columns, long count, float* out) {
  for (long n = 0; n < count; n += 32) {
    F16 a = zero(), b = zero();
    for (long m = 0; m < M; m++) {
      F16 lo, hi;
      load32(x + m / 32 * 32 * columns + n * 32 + (m & 31) * 32, lo, hi);
      a = a + lo, b = b + hi;
    }
    store(out + n, load(out + n) + a), store(out + n + 16, load(out + n + 16) + b);
  }
}

}  // namespace attune::ATTUNE_ISA
