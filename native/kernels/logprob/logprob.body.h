// The epilogues of logprob and its two products, compiled once per instruction set. A row piece is 32 logits of one row, as they leave the product.
#pragma once
#include "kernels/logprob/variants.h"
#include "kernels/matmul/product.body.h"

namespace attune::ATTUNE_ISA::logprob_body {
using attune::logprob::ForwardPart;
using attune::logprob::Lanes;
using attune::logprob::Logits;
using attune::logprob::Partial;
using attune::logprob::Row;
using attune::logprob::Slopes;
using attune::logprob::Sums;

constexpr float kNever = -1e30f;  // of a column that is no part of the vocabulary: 2^d is zero, and d stays finite
constexpr float kRise = 8;        // see Lanes

// c tanh(z / c). tanh y = y P(y^2) / Q(y^2): a minimax fit on |y| < 9, relative error 2.1e-8; beyond it tanh is 1 in fp32. (Bounds come first in min
// and max, which return their second operand where that is NaN.)
static __attribute__((noinline)) F16 capped(F16 z, float c) {
  const F16 y = max(set1(-9.f), min(set1(9.f), z / set1(c))), x = y * y;
  F16 p = fma(set1(1.33547555e-8f), x, set1(2.06091572e-5f)), q = fma(set1(7.77659864e-7f), x, set1(3.2856426e-4f));
  p = fma(p, x, set1(3.49559286e-3f)), q = fma(q, x, set1(2.58770008e-2f));
  p = fma(p, x, set1(0.133810297f)), q = fma(q, x, set1(0.467143446f));
  p = fma(p, x, set1(1.f)), q = fma(q, x, set1(1.f));
  return set1(c) * y * (p / q);
}

// Columns n + lane >= real of a piece take `other`.
ATTUNE_INLINE void real_only(long n, long real, F16 other, F16& lo, F16& hi) {
  const unsigned keep = real > n ? (1u << (real - n)) - 1 : 0;
  lo = blend(other, lo, keep & 0xffff), hi = blend(other, hi, keep >> 16);
}

template <bool all> struct Online {
  const ForwardPart& p;

  // Moves the reference of row i up to its highest logit.
  static __attribute__((noinline)) void raise(const Lanes& s, long i, F16 top) {
    const float reference = largest(top) * kLog2e, rise = reference + s.minus[i], factor = exp2f(-rise);
    const F16 sum = load(s.sum + i * 16), f = set1(factor);
    if (all) store(s.dot + i * 16, fnma(set1(rise), sum, load(s.dot + i * 16)) * f);
    store(s.sum + i * 16, sum * f);
    s.minus[i] = -reference, s.limit[i] = (reference + kRise) / kLog2e;
  }

  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 lo, F16 hi) {
    const long i = m + r, t = p.logits.targets[i] - p.logits.first;
    if (__builtin_expect(p.logits.bias != nullptr, 0)) lo = lo + load(p.logits.bias + n), hi = hi + load(p.logits.bias + n + 16);
    if (__builtin_expect(p.logits.softcap > 0, 0)) lo = capped(lo, p.logits.softcap), hi = capped(hi, p.logits.softcap);
    if (__builtin_expect((t >> 5) == (n >> 5), 0)) {
      alignas(64) float v[32];
      store(v, lo), store(v + 16, hi);
      p.target[i] = v[t & 31];
    }
    F16 level = lo + hi;
    if (__builtin_expect(n + 32 > p.logits.real, 0)) {
      F16 x = lo, y = hi;
      real_only(n, p.logits.real, zero(), x, y), real_only(n, p.logits.real, set1(kNever), lo, hi);
      level = x + y;
    }
    const Lanes& s = p.lanes;
    const F16 top = max(lo, hi);
    if (__builtin_expect(any_above(top, set1(s.limit[i])), 0)) raise(s, i, top);
    const F16 minus = set1(s.minus[i]), scale = set1(kLog2e);
    const F16 d0 = fma(lo, scale, minus), d1 = fma(hi, scale, minus), e0 = exp2<6>(d0), e1 = exp2<6>(d1);
    store(s.sum + i * 16, load(s.sum + i * 16) + (e0 + e1));
    if (!all) return;
    store(s.dot + i * 16, fma(e1, d1, fma(e0, d0, load(s.dot + i * 16))));
    store(s.level + i * 16, load(s.level + i * 16) + level);
  }
};

template <class T> static ProductView<T> view_of(const Logits& l) {
  ProductView<T> v;
  v.a = (const T*)l.hidden, v.a_columns = l.right.steps * 32, v.right = l.right, v.plan = l.plan;
  return v;
}

template <class T, bool all> static void forward_part_of(const ForwardPart& p, float* workspace) {
  const Lanes& s = p.lanes;
  const long rows = p.logits.rows;
  for (long i = 0; i < rows; i++) s.minus[i] = -kNever, s.limit[i] = -INFINITY;
  memset((void*)s.sum, 0, size_t(rows) * 64);
  if (all) memset((void*)s.dot, 0, size_t(rows) * 64), memset((void*)s.level, 0, size_t(rows) * 64);
  product<T>(view_of<T>(p.logits), 0, rows, workspace, Online<all>{p});
  for (long i = 0; i < rows; i++) {
    Partial& to = p.partial[i];
    to.reference = -s.minus[i], to.sum = sum(load(s.sum + i * 16));
    if (all) to.dot = sum(load(s.dot + i * 16)), to.level = sum(load(s.level + i * 16));
  }
}

template <class T, bool all> struct Slope {
  const Slopes& p;

  // (g, 0, …) at the target's lane. Out of line: one piece in V / 32.
  static __attribute__((noinline)) void add_target(float g, long lane, F16& lo, F16& hi) {
    lo = lo + blend(zero(), set1(g), lane < 16 ? 1u << lane : 0), hi = hi + blend(zero(), set1(g), lane < 16 ? 0 : 1u << (lane - 16));
  }
  // fp32: z - lse loses nothing where it matters, near 0; bf16 takes one instruction less.
  static inline __attribute__((always_inline)) F16 of(const Row& q, F16 z) {
    F16 p, d = zero();
    if (all || sizeof(T) == 4) d = z - set1(q.lse);
    if (sizeof(T) == 4)
      p = exp2<6>(d * set1(kLog2e));
    else
      p = exp2<3>(fma(z, set1(kLog2e), set1(-q.base)));
    if (!all) return p * set1(q.a);
    return fma(p, fnma(set1(q.e), d, set1(q.a)), set1(q.b));
  }
  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 lo, F16 hi) {
    const long i = m + r, t = p.logits.targets[i] - p.logits.first;
    const Row& q = p.row[i];
    const bool cap = p.logits.softcap > 0;
    if (__builtin_expect(p.logits.bias != nullptr, 0)) lo = lo + load(p.logits.bias + n), hi = hi + load(p.logits.bias + n + 16);
    if (__builtin_expect(cap, 0)) lo = capped(lo, p.logits.softcap), hi = capped(hi, p.logits.softcap);
    F16 a = of(q, lo), b = of(q, hi);
    if (__builtin_expect((t >> 5) == (n >> 5), 0)) add_target(q.g, t & 31, a, b);
    if (__builtin_expect(cap, 0)) {  // d (c tanh(u / c)) / du = 1 - (z / c)^2
      const F16 one = set1(1.f), c = set1(p.logits.softcap), x = lo / c, y = hi / c;
      a = a * fnma(x, x, one), b = b * fnma(y, y, one);
    }
    if (__builtin_expect(n + 32 > p.logits.real, 0)) real_only(n, p.logits.real, zero(), a, b);
    store32((T*)p.slope + m * p.logits.right.columns + n * 32 + r * 32, a, b);
  }
};

template <class T, bool all> static void slopes_of(const Slopes& p, float* workspace) {
  const long rows = p.logits.rows, columns = p.logits.right.columns;
  product<T>(view_of<T>(p.logits), 0, rows, workspace, Slope<T, all>{p});
  if (rows % 32)
    for (long n = 0; n < columns; n += 32)
      memset((void*)((T*)p.slope + rows_index(rows, n, columns)), 0, size_t(32 - rows % 32) * 32 * sizeof(T));
}

template <class T> static void accumulate_of(const Sums& s, float* workspace) {
  ProductView<T> v;
  v.a = (const T*)s.slope, v.a_columns = s.right.steps * 32, v.right = s.right, v.plan = s.plan;
  accumulate<T>(v, 0, s.rows, s.sums, s.fresh, workspace);
}

template <class T> struct StoreRows {
  T* out;
  long columns;
  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 lo, F16 hi) {
    store32(out + m * columns + n * 32 + r * 32, lo, hi);
  }
};
template <class T> static void finish_of(const float* sums, long H, long rows, T* out) {
  drain<T>(sums, H, 0, rows, StoreRows<T>{out, H});
  for (long m = rows; m < round32(rows); m++)
    for (long n = 0; n < H; n += 32) store32(out + rows_index(m, n, H), zero(), zero());
}

static void add(float* to, const float* from, long n) {
  for (long i = 0; i < n; i += 16) store(to + i, load(to + i) + load(from + i));
}

}  // namespace attune::ATTUNE_ISA::logprob_body
