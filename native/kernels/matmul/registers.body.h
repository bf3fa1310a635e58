// The register-block engine: fp32 FMAs over squares of fp32, written once for AVX2 and AVX-512. bf16 is widened on its way: the left rows once per pass
// and contraction block (256 x 576 x 4 B in L2), the panel once per pass of 256 rows (100 cycles a square that feeds 8,000 cycles of FMA). Plain FMA on
// widened values is twice as fast as vdpbf16ps where both exist (half rate), and AVX2 has no other.
#pragma once
#include "kernels/matmul/product.h"
#include "kernels/matmul/square.body.h"

namespace attune::ATTUNE_ISA {

using matmul::Panels;
using matmul::ProductView;

#if defined(__AVX512F__)
// 8 rows x 32 columns: 16 sums, 2 lines of the panel, 1 broadcast. 16 FMAs (8 cycles on two ports, 4 cycles of latency) per 10 loads, and
// 32 rows divide evenly.
constexpr int kRows = 8, kWide = 2;
#else
// 6 rows x 16 columns: 12 sums of 8 lanes, 2 lines, 1 broadcast in 16 registers; 32 rows = 4 x 6 + 2 x 4.
constexpr int kRows = 6, kWide = 1;
#endif
// Rows of the next register block where `left` are to come: never a last block of one or two rows, whose FMAs would wait for each other.
ATTUNE_INLINE long rows_next(long left) {
  if (kRows == 6 && (left == 8 || left == 7)) return 4;
  return left < kRows ? left : kRows;
}

// How the two sides of a block lie: squares of fp32; the left side read across, [32 k][32 rows] (the sum over tokens); the right side bf16 pairs.
enum class Sides { squares, across, pairs };

// s (R, 16 kWide) += left (R, 32 steps) right (32 steps, 16 kWide), for columns from 16 w on.
template <int R, Sides sides>
ATTUNE_INLINE void multiply(F16 (&s)[R][kWide], const float* left, long left_step, const float* right, long right_step, long steps, int w) {
  for (long i = 0; i < steps; i++, left += left_step, right += right_step) {
#pragma GCC unroll 4
    for (int k = 0; k < 32; k++) {
      F16 b[kWide];
#pragma GCC unroll 2
      for (int v = 0; v < kWide; v++) b[v] = load(right + k * 32 + (w + v) * 16);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        const F16 x = set1(sides == Sides::across ? left[k * 32 + r] : left[r * 32 + k]);
#pragma GCC unroll 2
        for (int v = 0; v < kWide; v++) s[r][v] = fma(x, b[v], s[r][v]);
      }
    }
  }
}
template <int R> ATTUNE_INLINE void multiply_pairs(F16 (&s)[R][kWide], const float* left, long left_step, const bf16* right,
                                                   long right_step, long steps, int w) {
  for (long i = 0; i < steps; i++, left += left_step, right += right_step)
    for (int p = 0; p < 16; p++)
#pragma GCC unroll 2
      for (int v = 0; v < kWide; v++) {
        F16 even, odd;
        widen_pairs(right + (w + v) * 512 + p * 32, even, odd);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
          s[r][v] = fma(set1(left[r * 32 + 2 * p]), even, s[r][v]);
          s[r][v] = fma(set1(left[r * 32 + 2 * p + 1]), odd, s[r][v]);
        }
      }
}

// A run of steps of one contraction. The left side is fp32; so is the right one, but for Sides::pairs.
struct Run {
  const float* left;
  long left_step;
  const void* right;
  long right_step;
  long steps;
};
template <int R, Sides sides> ATTUNE_INLINE void multiply(F16 (&s)[R][kWide], const Run& x, long r, int w) {
  if constexpr (sides == Sides::pairs)
    multiply_pairs<R>(s, x.left + r * 32, x.left_step, (const bf16*)x.right, x.right_step, x.steps, w);
  else
    multiply<R, sides>(s, x.left + (sides == Sides::across ? r : r * 32), x.left_step, (const float*)x.right, x.right_step, x.steps, w);
}

// to (32, 32) rows r … r + R = [from +] the sums of two runs.
template <int R, Sides sides> static void register_block(const Run& x, const Run& y, long r, const float* from, float* to) {
  for (int w = 0; w < 2; w += kWide) {
    F16 s[R][kWide];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++)
#pragma GCC unroll 2
      for (int v = 0; v < kWide; v++) s[i][v] = from ? load(from + (r + i) * 32 + (w + v) * 16) : zero();
    if (x.steps) multiply<R, sides>(s, x, r, w);
    multiply<R, sides>(s, y, r, w);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++)
#pragma GCC unroll 2
      for (int v = 0; v < kWide; v++) store(to + (r + i) * 32 + (w + v) * 16, s[i][v]);
  }
}
// Few rows take a bf16 panel as it lies: for one row, widening a square through scratch costs as much as its 64 FMAs, and generation waits for memory.
constexpr long kFewRows = 4;

template <Sides sides> static void register_rows(long rows, const Run& x, const Run& y, long r, const float* from, float* to) {
  constexpr bool many = sides != Sides::pairs;
  switch (rows) {
    case 1:
      return register_block<1, sides>(x, y, r, from, to);
    case 2:
      return register_block<2, sides>(x, y, r, from, to);
    case 3:
      return register_block<3, sides>(x, y, r, from, to);
    case 4:
      return register_block<4, sides>(x, y, r, from, to);
    case 5:
      return register_block<many ? 5 : 1, sides>(x, y, r, from, to);
    case 6:
      return register_block<many ? 6 : 1, sides>(x, y, r, from, to);
#if defined(__AVX512F__)
    case 7:
      return register_block<many ? 7 : 1, sides>(x, y, r, from, to);
    case 8:
      return register_block<many ? 8 : 1, sides>(x, y, r, from, to);
#endif
  }
}

// The part s0 … s1 of the steps of one operand pair, ready for the inner loop: fp32 where it lies, all else through scratch.
template <class T> struct Part {
  const T* left;
  long columns;  // of the matrix that left is a part of
  const Panels* right;
  long from, to;      // steps
  const float* wide;  // widened left rows of the pass, [32-row block][to - from][1024]; null: left is fp32 and used where it lies
  float* scratch;     // (to - from) squares
};
// Widens the left rows of a part (bf16 alone).
ATTUNE_INLINE void widen_left(const Part<float>&, long, long, float*) {}
static inline void widen_left(const Part<bf16>& p, long first, long last, float* out) {
  const long steps = p.to - p.from;
  for (long m = first; m < last; m += 32) {
    const bf16* in = p.left + m * p.columns + p.from * kStep;
    float* to = out + (m - first) * 32 * steps;
    const long count = (last - m < 32 ? last - m : 32) * 32;
    for (long s = 0; s < steps; s++)
      for (long i = 0; i < count; i += 16) store(to + s * kStep + i, load(in + s * kStep + i));
  }
}
// The right side of steps from … to for column block n; where it lies if that will do.
template <class T> static inline void right_of(const Part<T>& p, long n, long from, long to, bool as_it_lies, Run& run) {
  const T* at = (const T*)p.right->at + n * p.right->per_column * kStep;
  run.steps = to - from;
  if (as_it_lies) {
    run.right = at + from * p.right->per_step * kStep, run.right_step = p.right->per_step * kStep;
    return;
  }
  for (long s = from; s < to; s++) square_to_float(at + s * p.right->per_step * kStep, p.right->turned, p.scratch + (s - p.from) * kStep);
  run.right = p.scratch + (from - p.from) * kStep, run.right_step = kStep;
}
template <class T> static inline void left_of(const Part<T>& p, long m, long m0, long from, Run& run) {
  run.left_step = kStep;
  if (p.wide)
    run.left = p.wide + (m - m0) * 32 * (p.to - p.from) + (from - p.from) * kStep;
  else
    run.left = (const float*)(const void*)p.left + m * p.columns + from * kStep;
}

// One product's passes; see product() for the order in which blocks are asked for.
template <class T, class Epilogue> struct RegisterEngine {
  const ProductView<T>& v;
  Epilogue& e;
  float* scratch;  // depth squares; the widened left rows of a pass

  // Steps that are cut into contraction blocks: the low-rank steps come first.
  long low_steps() const { return v.low_left ? v.low.steps : 0; }
  long steps() const { return low_steps() + v.right.steps; }

  // Rows m0 … m1, column blocks n0 … n1, steps c0 … c1. `sums` holds what earlier blocks left (fresh: nothing yet) and, unless this block is the last,
  // takes the result: [column block - n0][32-row block][32][32].
  void block(long m0, long m1, long n0, long n1, long c0, long c1, bool fresh, bool last, float* sums) {
    const long all = low_steps(), blocks = (m1 - m0 + 31) / 32;
    const long l0 = c0 < all ? c0 : all, l1 = c1 < all ? c1 : all;
    Part<T> low{v.low_left, v.low_columns, &v.low, l0, l1, nullptr, scratch};
    Part<T> main{v.a, v.a_columns, &v.right, c0 - l0, c1 - l1, nullptr, scratch + (l1 - l0) * kStep};
    if (sizeof(T) == 2) {
      low.wide = scratch + (c1 - c0) * kStep, main.wide = low.wide + blocks * (l1 - l0) * kStep;
      widen_left(low, m0, m1, const_cast<float*>(low.wide)), widen_left(main, m0, m1, const_cast<float*>(main.wide));
    }
    const bool few = m1 - m0 <= kFewRows, lie = !v.right.turned && !(all && v.low.turned) && (sizeof(T) == 4 || few);
    for (long n = n0; n < n1; n++) {
      Run x{}, y{};
      const long w0 = v.window ? v.window[2 * n] : 0, w1 = v.window ? v.window[2 * n + 1] : all;
      const long from = l0 > w0 ? l0 : w0, to = l1 < w1 ? l1 : w1;
      if (from < to) right_of(low, n, from, to, lie, x);
      right_of(main, n, main.from, main.to, lie, y);
      for (long m = m0; m < m1; m += 32) {
        if (x.steps) left_of(low, m, m0, from, x);
        left_of(main, m, m0, main.from, y);
        rows(m, m1, n, x, y, fresh, last, sizeof(T) == 2 && lie, sums + ((n - n0) * blocks + (m - m0) / 32) * kStep);
      }
    }
  }
  void rows(long m, long m1, long n, const Run& x, const Run& y, bool fresh, bool last, bool pairs, float* sum) {
    alignas(64) float done[1024];
    float* out = last ? done : sum;
    const long count = m1 - m < 32 ? m1 - m : 32;
    for (long r = 0, step; r < count; r += step) {
      step = rows_next(count - r);
      if (pairs)
        register_rows<Sides::pairs>(step, x, y, r, fresh ? nullptr : sum, out);
      else
        register_rows<Sides::squares>(step, x, y, r, fresh ? nullptr : sum, out);
      if (!last) continue;
      for (long i = r; i < r + step; i++) e.row(m, n * 32, int(i), load(done + i * 32), load(done + i * 32 + 16));
    }
  }
  static void start() {}
  void end() {}
  // Row r of a block of sums as this engine leaves them.
  static inline __attribute__((always_inline)) void sums_of(const float* block, int r, F16& lo, F16& hi) {
    lo = load(block + r * 32), hi = load(block + r * 32 + 16);
  }
};

}  // namespace attune::ATTUNE_ISA
