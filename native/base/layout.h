// The rows layout: how every matrix of activations and of gradients lies in memory, in fp32 and in bf16.
//
//   X (M, K)  ->  [M/32][K/32][32 rows][32 columns]         M and K rounded up to multiples of 32
//
// A block of 32 x 32 is one step of the tile micro-kernel: 2 KiB in bf16 (a row of a block is one 64-byte line), 4 KiB in fp32. All passes
// (norms, activations, residuals) work on it directly, so nothing is repacked between layers, and no stride is a power of two (which would map
// the rows of a tall matrix to one cache set). Only the binding and the optimiser see row-major.
//
// Rows past the last token (up to the next multiple of 32) hold finite numbers in activations and ZERO in gradients; padded columns hold zero.
#pragma once
#include "base/types.h"

namespace attune {

constexpr long kBlock = 32;   // rows and columns of a block
constexpr long kStep = 1024;  // elements of a block

static inline long round32(long n) { return (n + 31) / 32 * 32; }
static inline long round64(long n) { return (n + 63) / 64 * 64; }

// Element index of (row m, column k) in a matrix of `columns` (multiple of 32) columns.
static inline long rows_index(long m, long k, long columns) {
  return (m / 32) * 32 * columns + (k / 32) * kStep + (m & 31) * 32 + (k & 31);
}

}  // namespace attune
