// What becomes of a finished row piece (matmul::Finish), and rows() of one instruction set: product() with the right epilogue.
// Every epilogue has row(m, n, r, lo, hi): sums of row m + r, columns n … n + 31.
#pragma once
#include "kernels/matmul/product.body.h"

namespace attune::ATTUNE_ISA {

ATTUNE_INLINE void add_bias(const float* bias, long n, F16& lo, F16& hi) {
  if (bias) lo = lo + load(bias + n), hi = hi + load(bias + n + 16);
}

template <class T> struct Store {
  T* c;
  long columns;
  const float* bias;
  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 lo, F16 hi) {
    add_bias(bias, n, lo, hi);
    store32(c + m * columns + n * 32 + r * 32, lo, hi);
  }
};
template <class T> struct StoreScaled {
  T* c;
  long columns;
  float scale;
  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 lo, F16 hi) {
    const F16 s = set1(scale);
    store32(c + m * columns + n * 32 + r * 32, lo * s, hi * s);
  }
};
template <class T> struct Add {
  T* c;
  const T* residual;
  long columns;
  const float* bias;
  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 lo, F16 hi) {
    const long at = m * columns + n * 32 + r * 32;
    F16 x, y;
    load32(residual + at, x, y);
    add_bias(bias, n, lo, hi);
    store32(c + at, x + lo, y + hi);
  }
};
// lo is gate, hi is up: the activation needs no pass of its own.
template <class T> struct Swiglu {
  T* kept;  // (M, kept_columns), may be null
  long kept_columns;
  T* c;  // (M, columns), 16 of them per piece
  long columns;
  const float* bias;
  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 gate, F16 up) {
    add_bias(bias, n, gate, up);
    if (kept) store32(kept + m * kept_columns + n * 32 + r * 32, gate, up);
    const long f = n / 2;
    store(c + m * columns + f / 32 * kStep + r * 32 + (f & 31), gate * sigmoid<ExpDegree<T>::value>(gate) * up);
  }
};
// Sums are d act; kept gate|up becomes its gradient, c the activation again (the down adapter's gradient needs it).
template <class T> struct SwigluBackward {
  T* kept;
  long kept_columns;
  T* c;
  long columns;
  inline __attribute__((always_inline)) F16 half(T* line, F16 d) {
    F16 g, u;
    load32(line, g, u);
    const F16 s = sigmoid<ExpDegree<T>::value>(g), silu = g * s;
    store32(line, d * u * (s + fnma(silu, s, silu)), d * silu);  // d silu / d g = s + silu (1 - s)
    return silu * u;
  }
  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 lo, F16 hi) {
    T* line = kept + m * kept_columns + 2 * n * 32 + r * 32;
    const F16 a = half(line, lo), b = half(line + kStep, hi);
    store32(c + m * columns + n * 32 + r * 32, a, b);
  }
};
struct StoreFloat {
  float* out;
  long columns;  // logical
  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 lo, F16 hi) {
    float* to = out + (m + r) * columns + n;
    if (n + 32 <= columns) return store32(to, lo, hi);
    alignas(64) float all[32];
    store32(all, lo, hi);
    for (long i = 0; n + i < columns; i++) to[i] = all[i];
  }
};

// Rows `last` … round32(last) of columns 0 … count become zero, so that padding of results is always finite.
template <class T> static void zero_padding(T* c, long columns, long count, long last) {
  if (last % 32 == 0) return;
  for (long n = 0; n < count; n += 32)
    memset((void*)(c + last / 32 * 32 * columns + n * 32 + last % 32 * 32), 0, sizeof(T) * size_t(32 - last % 32) * 32);
}

template <class T> static void rows_of(const matmul::Rows& p, long first, long last, float* workspace) {
  const ProductView<T> v{(const T*)p.a, p.a_columns, p.right, (const T*)p.low_left, p.low_columns, p.low, p.window, p.plan};
  T* c = (T*)p.c;
  const long N = p.right.columns;
  switch (p.finish) {
    case 0:
      product(v, first, last, workspace, Store<T>{c, p.c_columns, p.bias});
      break;
    case 1:
      product(v, first, last, workspace, StoreScaled<T>{c, p.c_columns, p.scale});
      break;
    case 2:
      product(v, first, last, workspace, Add<T>{c, (const T*)p.residual, p.c_columns, p.bias});
      break;
    case 3: {
      product(v, first, last, workspace, Swiglu<T>{(T*)p.kept, N, c, p.c_columns, p.bias});
      if (p.kept) zero_padding((T*)p.kept, N, N, last);
      return zero_padding(c, p.c_columns, N / 2, last);
    }
    case 4: {
      product(v, first, last, workspace, SwigluBackward<T>{(T*)p.kept, 2 * N, c, p.c_columns});
      zero_padding((T*)p.kept, 2 * N, 2 * N, last);
      break;
    }
    case 5:
      return product(v, first, last, workspace, StoreFloat{(float*)p.c, p.logical_columns});
  }
  zero_padding(c, p.c_columns, N, last);
}

}  // namespace attune::ATTUNE_ISA
