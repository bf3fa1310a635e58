// The tile engine: bf16 on AMX, 32 x 32 sums in four tiles. Compiled for .amx.cpp files alone.
//
//   tmm0-3 sums   tmm4-5 two halves of 32 rows of the left side   tmm6-7 two halves of 32 columns of the right side
//
// The only shape of 8 tiles with one load per product. A step (32 of the contraction) is 64 cycles of four products and 64 lines of loads; the left side
// is streamed (tileloaddt1), so that it does not drive the panel out of L1. The epilogue of a block runs inside the steps of the next one, some rows at
// a time, in the shadow of the tile unit, and lines of the next panel are fetched to L2 beside it.
#pragma once
#include "cpu/amx.h"
#include "kernels/matmul/product.h"
#include "kernels/matmul/square.body.h"

namespace attune::ATTUNE_ISA {

using matmul::Panels;
using matmul::ProductView;

// One step of C (32, 32) += A (32, 32) B (32, 32) for the upper 16 rows alone: a last block of at most 16 rows, generation.
ATTUNE_INLINE void tiles_half_step(const bf16* a, const bf16* b) {
  _tile_stream_loadd(4, a, 64);
  _tile_loadd(6, b, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, b + 512, 64);
  _tile_dpbf16ps(1, 4, 7);
}
template <class Epilogue> struct TileEngine {
  const ProductView<bf16>& v;
  Epilogue& e;
  bf16* scratch;  // turned squares: of one panel, then of the low-rank term
  alignas(64) float done[2][1024];
  // The block whose sums wait in `done` while the next one is multiplied: rows r … rows of it are still to be handed on.
  int which = 0, r = 0, rows = 0;
  long pending_m = 0, pending_n = 0;

  inline __attribute__((always_inline)) TileEngine(const ProductView<bf16>& view, Epilogue& epilogue, float* space)
      : v(view), e(epilogue), scratch((bf16*)(void*)space) {}
  static inline __attribute__((always_inline)) void sums_of(const float* block, int row, F16& lo, F16& hi) {
    const float* p = block + (row >> 4) * 512 + (row & 15) * 16;
    lo = load(p), hi = load(p + 256);
  }
  inline __attribute__((always_inline)) void hand_on() {
    F16 lo, hi;
    sums_of(done[which ^ 1], r, lo, hi);
    e.row(pending_m, pending_n, r, lo, hi);
    r++;
  }
  void hand_on_all() {
    while (r < rows) hand_on();
  }
  static void start() { tiles_on(); }
  void end() {
    hand_on_all();
    tiles_off();
  }
  // Low-rank steps need no contraction block of their own: all of them go before the first.
  long steps() const { return v.right.steps; }

  // Squares from … to of column block n: where they lie, or turned to `to_scratch`. `step`: squares from one to the next.
  static inline const bf16* right_of(const Panels& p, long n, long from, long to, bf16* to_scratch, long& step) {
    const bf16* at = (const bf16*)p.at + (n * p.per_column + from * p.per_step) * kStep;
    step = p.per_step;
    if (!p.turned) return at;
    for (long s = 0; s < to - from; s++) turn_pairs(at + s * p.per_step * kStep, to_scratch + s * kStep);
    step = 1;
    return to_scratch;
  }

  void block(long m0, long m1, long n0, long n1, long c0, long c1, bool fresh, bool last, float* sums) {
    const long blocks = (m1 - m0 + 31) / 32, lines = blocks == 1 ? 0 : (32 + blocks - 1) / blocks;
    for (long n = n0; n < n1; n++) {
      long step, low_step = 1, l0 = 0, l1 = 0;
      const bf16 *low = nullptr, *panel = right_of(v.right, n, c0, c1, scratch, step);
      if (v.low_left && c0 == 0) {
        l0 = v.window ? v.window[2 * n] : 0, l1 = v.window ? v.window[2 * n + 1] : v.low.steps;
        low = right_of(v.low, n, l0, l1, scratch + (c1 - c0) * kStep, low_step);
      }
      written();
      // The panel after this one comes to L2 while this one is used, a share of its lines per step: 4 for 256 rows. (A panel that serves one block is a
      // straight stream, which the hardware fetches better by itself.)
      const char* ahead = (const char*)((const bf16*)v.right.at + ((n + 1) * v.right.per_column + c0 * v.right.per_step) * kStep);
      for (long m = m0; m < m1; m += 32) {
        const bf16* left = v.a + m * v.a_columns + c0 * kStep;
        const bf16* low_left = v.low_left + m * v.low_columns + l0 * kStep;
        float* sum = sums + ((n - n0) * blocks + (m - m0) / 32) * kStep;
        if (fresh)
          tiles_zero();
        else
          tiles_load(sum);
        if (m1 - m > 16) {
          for (long s = 0; s < l1 - l0; s++) tiles_step(low_left + s * kStep, low + s * low_step * kStep);
          steps_of<true>(left, panel, step, c1 - c0, ahead + (m - m0) / 32 * (c1 - c0) * lines * 64, lines);
        } else {
          for (long s = 0; s < l1 - l0; s++) tiles_half_step(low_left + s * kStep, low + s * low_step * kStep);
          steps_of<false>(left, panel, step, c1 - c0, ahead + (m - m0) / 32 * (c1 - c0) * lines * 64, lines);
        }
        if (!last) {
          tiles_store(sum);
          continue;
        }
        hand_on_all();
        tiles_store(done[which]);
        pending_m = m, pending_n = n * 32, which ^= 1, r = 0, rows = m1 - m < 32 ? int(m1 - m) : 32;
      }
    }
  }
  template <bool whole> inline __attribute__((always_inline)) void steps_of(const bf16* left, const bf16* panel, long step, long count,
                                                                            const char* ahead, long lines) {
    const int per = int((32 + count - 1) / count) > 2 ? int((32 + count - 1) / count) : 2;
    long k = 0;
    for (; k < count && r < rows; k++) {
      if (whole)
        tiles_step(left + k * kStep, panel + k * step * kStep);
      else
        tiles_half_step(left + k * kStep, panel + k * step * kStep);
      for (int i = 0; i < per && r < rows; i++) hand_on();
      for (long i = 0; i < lines; i++) _mm_prefetch(ahead + (k * lines + i) * 64, _MM_HINT_T1);
    }
    for (; k < count; k++) {
      if (whole)
        tiles_step(left + k * kStep, panel + k * step * kStep);
      else
        tiles_half_step(left + k * kStep, panel + k * step * kStep);
      for (long i = 0; i < lines; i++) _mm_prefetch(ahead + (k * lines + i) * 64, _MM_HINT_T1);
    }
  }
};

}  // namespace attune::ATTUNE_ISA
