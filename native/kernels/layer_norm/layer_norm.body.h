// The vector body of layer_norm, compiled once per instruction set. Three passes over a row, two of them out of L1. Four rows go together, as in
// rms_norm: memory is read in runs of four lines, and four sums hide the latency of one another. A row's arithmetic is the same alone and in company.
#pragma once
#include "cpu/vector.h"
#include "kernels/layer_norm/layer_norm.h"

namespace attune::ATTUNE_ISA::layer_norm_body {
using attune::layer_norm::Backward;
using attune::layer_norm::Forward;
using attune::layer_norm::Shape;

// Zero in the columns of block k that are padding: they do not hold the mean.
ATTUNE_INLINE void keep_real(const Shape& s, long k, F16& lo, F16& hi) {
  if (k + 32 <= s.count) return;
  const unsigned real = s.count > k ? (1u << (s.count - k)) - 1 : 0;
  lo = blend(zero(), lo, real & 0xffff), hi = blend(zero(), hi, real >> 16);
}
template <class T> ATTUNE_INLINE void centred(const Shape& s, const T* line, long k, F16 mean, F16& lo, F16& hi) {
  load32(line, lo, hi);
  lo = lo - mean, hi = hi - mean;
  keep_real(s, k, lo, hi);
}

template <class T> static void clear_padding(const Shape& s, T* out, long last) {
  for (long m = last; m < round32(last); m++)
    for (long k = 0; k < s.columns; k += 32) store32(out + rows_index(m, k, s.columns), zero(), zero());
}

template <class T, int rows> static inline void forward_rows(const Forward& f, long m) {
  const Shape& s = f.s;
  const long at = rows_index(m, 0, s.columns);
  const T* x = (const T*)f.x + at;
  T* y = (T*)f.y + at;
  F16 lo, hi, total[rows], square[rows], mean[rows], r[rows];
  for (int i = 0; i < rows; i++) total[i] = square[i] = zero();
  for (long k = 0; k < s.columns; k += 32)
    for (int i = 0; i < rows; i++) {
      load32(x + k * 32 + i * 32, lo, hi);
      total[i] = total[i] + (lo + hi);
    }
  for (int i = 0; i < rows; i++) {
    f.mean[m + i] = sum(total[i]) / float(s.count);
    mean[i] = set1(f.mean[m + i]);
  }
  for (long k = 0; k < s.columns; k += 32)
    for (int i = 0; i < rows; i++) {
      centred(s, x + k * 32 + i * 32, k, mean[i], lo, hi);
      square[i] = fma(hi, hi, fma(lo, lo, square[i]));
    }
  for (int i = 0; i < rows; i++) {
    f.inverse[m + i] = 1.f / sqrtf(sum(square[i]) / float(s.count) + s.eps);
    r[i] = set1(f.inverse[m + i]);
  }
  for (long k = 0; k < s.columns; k += 32) {
    const F16 w0 = load(f.w + k), w1 = load(f.w + k + 16), b0 = f.b ? load(f.b + k) : zero(), b1 = f.b ? load(f.b + k + 16) : zero();
    for (int i = 0; i < rows; i++) {
      centred(s, x + k * 32 + i * 32, k, mean[i], lo, hi);
      store32(y + k * 32 + i * 32, fma(lo * r[i], w0, b0), fma(hi * r[i], w1, b1));
    }
  }
}

template <class T, int rows> static inline void backward_rows(const Backward& b, long m) {
  const Shape& s = b.s;
  const long at = rows_index(m, 0, s.columns);
  const T *x = (const T*)b.x + at, *dy = (const T*)b.dy + at, *through = b.through ? (const T*)b.through + at : nullptr;
  T* dx = (T*)b.dx + at;
  F16 x0, x1, d0, d1, plain[rows], along[rows], mean[rows], r[rows], c[rows];
  for (int i = 0; i < rows; i++) plain[i] = along[i] = zero(), mean[i] = set1(b.mean[m + i]), r[i] = set1(b.inverse[m + i]);
  for (long k = 0; k < s.columns; k += 32) {
    const F16 w0 = load(b.w + k), w1 = load(b.w + k + 16);
    for (int i = 0; i < rows; i++) {
      centred(s, x + k * 32 + i * 32, k, mean[i], x0, x1), load32(dy + k * 32 + i * 32, d0, d1);
      d0 = d0 * w0, d1 = d1 * w1;
      plain[i] = plain[i] + (d0 + d1), along[i] = fma(d1, x1, fma(d0, x0, along[i]));
    }
  }
  for (int i = 0; i < rows; i++) {
    const float inverse = b.inverse[m + i];
    c[i] = set1(sum(along[i]) / float(s.count) * inverse * inverse), plain[i] = set1(sum(plain[i]) / float(s.count));
  }
  for (long k = 0; k < s.columns; k += 32) {
    const F16 w0 = load(b.w + k), w1 = load(b.w + k + 16);
    for (int i = 0; i < rows; i++) {
      F16 t0 = zero(), t1 = zero();
      if (through) load32(through + k * 32 + i * 32, t0, t1);
      centred(s, x + k * 32 + i * 32, k, mean[i], x0, x1), load32(dy + k * 32 + i * 32, d0, d1);
      d0 = fma(fnma(c[i], x0, fma(d0, w0, -plain[i])), r[i], t0), d1 = fma(fnma(c[i], x1, fma(d1, w1, -plain[i])), r[i], t1);
      keep_real(s, k, d0, d1);
      store32(dx + k * 32 + i * 32, d0, d1);
    }
  }
}

template <class T> static void forward_of(const Forward& f, long first, long last) {
  long m = first;
  for (; m + 4 <= last; m += 4) forward_rows<T, 4>(f, m);
  for (; m < last; m++) forward_rows<T, 1>(f, m);
  clear_padding(f.s, (T*)f.y, last);
}
template <class T> static void backward_of(const Backward& b, long first, long last) {
  long m = first;
  for (; m + 4 <= last; m += 4) backward_rows<T, 4>(b, m);
  for (; m < last; m++) backward_rows<T, 1>(b, m);
  clear_padding(b.s, (T*)b.dx, last);
}

// Sums of 32 tokens first, then the sum of those: rounding grows with the square root of 32 + M / 32 instead of M.
template <class T> static void weight_gradient_of(const Backward& b, long M, float* dw, float* db, long from, long to) {
  for (long k = from; k < to; k += 32) {
    F16 w0 = zero(), w1 = zero(), b0 = zero(), b1 = zero();
    for (long block = 0; block < M; block += 32) {
      F16 x0, x1, d0, d1, s0 = zero(), s1 = zero(), t0 = zero(), t1 = zero();
      for (long m = block; m < block + 32 && m < M; m++) {
        const long i = rows_index(m, k, b.s.columns);
        const F16 r = set1(b.inverse[m]);
        centred(b.s, (const T*)b.x + i, k, set1(b.mean[m]), x0, x1), load32((const T*)b.dy + i, d0, d1);
        s0 = fma(x0 * r, d0, s0), s1 = fma(x1 * r, d1, s1), t0 = t0 + d0, t1 = t1 + d1;
      }
      w0 = w0 + s0, w1 = w1 + s1, b0 = b0 + t0, b1 = b1 + t1;
    }
    store(dw + k, load(dw + k) + w0), store(dw + k + 16, load(dw + k + 16) + w1);
    if (db) store(db + k, load(db + k) + b0), store(db + k + 16, load(db + k + 16) + b1);
  }
}

static void forward(const Forward& f, long first, long last) {
  f.s.dtype == DType::f32 ? forward_of<float>(f, first, last) : forward_of<bf16>(f, first, last);
}
static void backward(const Backward& b, long first, long last) {
  b.s.dtype == DType::f32 ? backward_of<float>(b, first, last) : backward_of<bf16>(b, first, last);
}
static void weight_gradient(const Backward& b, long M, float* dw, float* db, long from, long to) {
  b.s.dtype == DType::f32 ? weight_gradient_of<float>(b, M, dw, db, from, to) : weight_gradient_of<bf16>(b, M, dw, db, from, to);
}

}  // namespace attune::ATTUNE_ISA::layer_norm_body
