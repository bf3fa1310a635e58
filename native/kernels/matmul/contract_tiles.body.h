// G (R, K) += L^T X on tiles, the sum over tokens. X is the right side: its tokens are paired on the fly, and a column of pairs stays in L1 while the
// rows of L^T stream past. L is turned once per chunk of tokens, task and 576 columns of it, and waits in L2. Compiled for .amx.cpp files alone.
// Sum order: tokens ascending within chunks of kTileTokens, chunks added to G one after the other.
#pragma once
#include "kernels/matmul/tiles.body.h"

namespace attune::ATTUNE_ISA {

constexpr long kTileTokens = 512;  // a column of pairs is 512 x 64 B = 32 KiB of L1; 16 steps hide the 64 lines of sums that are added to G
constexpr long kTileRanks = 576;   // columns of L per pass: turned, 512 x 576 x 2 B = 576 KiB of L2

// Two rows of a block as the right side wants them, token by token beside each other. The order of columns comes out as 0-3 8-11 16-19 24-27 (first
// half) and 4-7 12-15 20-23 28-31: one shuffle a line; the sums are put right when they are added to G.
ATTUNE_INLINE void pair_rows(const bf16* in, bf16* out) {
  for (int p = 0; p < 16; p++) {
    const __m512i a = _mm512_loadu_si512(in + 2 * p * 32), b = _mm512_loadu_si512(in + (2 * p + 1) * 32);
    _mm512_storeu_si512(out + p * 32, _mm512_unpacklo_epi16(a, b)), _mm512_storeu_si512(out + 512 + p * 32, _mm512_unpackhi_epi16(a, b));
  }
}
// Row r of a block of sums, in the right order, added to 32 numbers of G.
ATTUNE_INLINE void add_row(const float* sums, int r, float* out) {
  const float* p = sums + (r >> 4) * 512 + (r & 15) * 16;
  const __m512 lo = _mm512_loadu_ps(p), hi = _mm512_loadu_ps(p + 256);
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  _mm512_storeu_ps(out, _mm512_add_ps(_mm512_loadu_ps(out), _mm512_permutex2var_ps(lo, first, hi)));
  _mm512_storeu_ps(out + 16, _mm512_add_ps(_mm512_loadu_ps(out + 16), _mm512_permutex2var_ps(lo, second, hi)));
}
// Block (32, 32) turned. Loads put the four groups of 8 rows side by side (half of them as inserts on either vector port), then 8 x 8 turns within
// lanes of 128 bits: 96 shuffles, where whole-line loads need 160.
static inline void turn_block(const bf16* in, bf16* out) {
  for (int c = 0; c < 32; c += 8) {
    __m512i a[8], b[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
      const bf16* p = in + i * 32 + c;
      a[i] = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)p));
      a[i] = _mm512_inserti32x4(a[i], _mm_loadu_si128((const __m128i*)(p + 256)), 1);
      a[i] = _mm512_inserti32x4(a[i], _mm_loadu_si128((const __m128i*)(p + 512)), 2);
      a[i] = _mm512_inserti32x4(a[i], _mm_loadu_si128((const __m128i*)(p + 768)), 3);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
      b[2 * i] = _mm512_unpacklo_epi16(a[2 * i], a[2 * i + 1]), b[2 * i + 1] = _mm512_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
      for (int h = 0; h < 2; h++)
        a[i + 2 * h] = _mm512_unpacklo_epi32(b[i + h], b[i + 2 + h]), a[i + 2 * h + 1] = _mm512_unpackhi_epi32(b[i + h], b[i + 2 + h]);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      _mm512_storeu_si512(out + (c + 2 * j) * 32, _mm512_unpacklo_epi64(a[j], a[4 + j]));
      _mm512_storeu_si512(out + (c + 2 * j + 1) * 32, _mm512_unpackhi_epi64(a[j], a[4 + j]));
    }
  }
}

// Sums that wait to be added to G while the next block is multiplied.
struct PendingSums {
  alignas(64) float done[2][1024];
  int which = 0, r = 32;
  float* out = nullptr;
  inline __attribute__((always_inline)) void add(int rows) {
    for (; rows && r < 32; rows--, r++) add_row(done[which ^ 1], r, out + r * 32);
  }
  inline __attribute__((always_inline)) void take(float* to) {
    add(32);
    tiles_store(done[which]);
    which ^= 1, r = 0, out = to;
  }
};

static void contract_tiles(const matmul::Sums& c, long from, long to, float* workspace) {
  const bf16 *left = (const bf16*)c.left, *right = (const bf16*)c.right;
  bf16 *pairs = (bf16*)(void*)workspace, *turned = pairs + kTileTokens * 32;
  PendingSums pending;
  tiles_on();
  for (long m = 0; m < c.M; m += kTileTokens) {
    const long steps = ((c.M < m + kTileTokens ? c.M : m + kTileTokens) - m + 31) / 32;
    for (long r0 = 0; r0 < c.R; r0 += kTileRanks) {
      const long r1 = c.R < r0 + kTileRanks ? c.R : r0 + kTileRanks;
      for (long r = r0; r < r1; r += 32)
        for (long s = 0; s < steps; s++)
          turn_block(left + (m + s * 32) * c.left_columns + r * 32, turned + ((r - r0) / 32 * steps + s) * kStep);
      for (long n = from; n < to; n += 32) {
        const bf16* x = right + m * c.right_columns + n * 32;
        for (long r = r0; r < r1; r += 32) {
          const bf16* rows = turned + (r - r0) / 32 * steps * kStep;
          tiles_zero();
          for (long s = 0; s < steps; s++) {
            if (r == r0) {
              pair_rows(x + s * 32 * c.right_columns, pairs + s * kStep);
              written();
            }
            tiles_step(rows + s * kStep, pairs + s * kStep);
            pending.add(2);
          }
          pending.take(c.out + r * c.K + n * 32);
        }
      }
    }
  }
  pending.add(32);
  tiles_off();
}

}  // namespace attune::ATTUNE_ISA
