// The vector body of rms_norm, compiled once per instruction set. Two passes over a row, the second out of L1. Four rows go together: their
// pieces of a block lie side by side, so that memory is read in runs of four lines instead of single lines 2 KiB apart, and four sums hide
// the latency of one another. A row's arithmetic is the same alone and in company.
#pragma once
#include "cpu/vector.h"
#include "kernels/rms_norm/rms_norm.h"

namespace attune::ATTUNE_ISA::rms_norm_body {
using attune::rms_norm::Backward;
using attune::rms_norm::Forward;
using attune::rms_norm::Shape;

template <class T> static void clear_padding(const Shape& s, T* out, long last) {
  for (long m = last; m < round32(last); m++)
    for (long k = 0; k < s.groups * s.size; k += 32) store32(out + rows_index(m, s.from + k, s.columns), zero(), zero());
}

template <class T, int rows> static inline void forward_rows(const Forward& f, long m, long g) {
  const Shape& s = f.s;
  const long at = rows_index(m, s.from + g * s.size, s.columns);
  const T* x = (const T*)f.x + at;
  T* y = (T*)f.y + at;
  F16 lo, hi, square[rows], r[rows];
  for (int i = 0; i < rows; i++) square[i] = zero();
  for (long k = 0; k < s.size; k += 32)
    for (int i = 0; i < rows; i++) {
      load32(x + k * 32 + i * 32, lo, hi);
      square[i] = fma(hi, hi, fma(lo, lo, square[i]));
    }
  for (int i = 0; i < rows; i++) {
    const float inverse = 1.f / sqrtf(sum(square[i]) / float(s.count) + s.eps);
    f.inverse[(m + i) * s.groups + g] = inverse;
    r[i] = set1(inverse);
  }
  for (long k = 0; k < s.size; k += 32) {
    const F16 w0 = load(f.w + k), w1 = load(f.w + k + 16);
    for (int i = 0; i < rows; i++) {
      load32(x + k * 32 + i * 32, lo, hi);
      store32(y + k * 32 + i * 32, lo * r[i] * w0, hi * r[i] * w1);
    }
  }
}

template <class T> static void forward_of(const Forward& f, long first, long last) {
  long m = first;
  for (; m + 4 <= last; m += 4)
    for (long g = 0; g < f.s.groups; g++) forward_rows<T, 4>(f, m, g);
  for (; m < last; m++)
    for (long g = 0; g < f.s.groups; g++) forward_rows<T, 1>(f, m, g);
  clear_padding(f.s, (T*)f.y, last);
}

template <class T, int rows> static inline void backward_rows(const Backward& b, long m, long g) {
  const Shape& s = b.s;
  const long at = rows_index(m, s.from + g * s.size, s.columns);
  const T *x = (const T*)b.x + at, *dy = (const T*)b.dy + at, *through = b.through ? (const T*)b.through + at : nullptr;
  T* dx = (T*)b.dx + at;
  F16 x0, x1, d0, d1, dot[rows], r[rows], c[rows];
  for (int i = 0; i < rows; i++) dot[i] = zero();
  for (long k = 0; k < s.size; k += 32) {
    const F16 w0 = load(b.w + k), w1 = load(b.w + k + 16);
    for (int i = 0; i < rows; i++) {
      load32(x + k * 32 + i * 32, x0, x1), load32(dy + k * 32 + i * 32, d0, d1);
      dot[i] = fma(d1 * w1, x1, fma(d0 * w0, x0, dot[i]));
    }
  }
  for (int i = 0; i < rows; i++) {
    const float inverse = b.inverse[(m + i) * s.groups + g];
    r[i] = set1(inverse), c[i] = set1(sum(dot[i]) / float(s.count) * inverse * inverse * inverse);
  }
  for (long k = 0; k < s.size; k += 32) {
    const F16 w0 = load(b.w + k), w1 = load(b.w + k + 16);
    for (int i = 0; i < rows; i++) {
      F16 t0 = zero(), t1 = zero();
      if (through) load32(through + k * 32 + i * 32, t0, t1);
      load32(x + k * 32 + i * 32, x0, x1), load32(dy + k * 32 + i * 32, d0, d1);
      store32(dx + k * 32 + i * 32, fma(d0 * r[i], w0, fnma(c[i], x0, t0)), fma(d1 * r[i], w1, fnma(c[i], x1, t1)));
    }
  }
}

template <class T> static void backward_of(const Backward& b, long first, long last) {
  long m = first;
  for (; m + 4 <= last; m += 4)
    for (long g = 0; g < b.s.groups; g++) backward_rows<T, 4>(b, m, g);
  for (; m < last; m++)
    for (long g = 0; g < b.s.groups; g++) backward_rows<T, 1>(b, m, g);
  clear_padding(b.s, (T*)b.dx, last);
}

// Sums of 32 tokens first, then the sum of those: rounding grows with the square root of 32 + M / 32 instead of M.
template <class T> static void weight_gradient_of(const Backward& b, long M, float* dw, long from, long to) {
  const Shape& s = b.s;
  for (long k = from; k < to; k += 32) {
    F16 total0 = zero(), total1 = zero();
    for (long block = 0; block < M; block += 32) {
      F16 x0, x1, d0, d1, a = zero(), c = zero();
      for (long m = block; m < block + 32 && m < M; m++)
        for (long g = 0; g < s.groups; g++) {
          const long i = rows_index(m, s.from + g * s.size + k, s.columns);
          const F16 r = set1(b.inverse[m * s.groups + g]);
          load32((const T*)b.x + i, x0, x1), load32((const T*)b.dy + i, d0, d1);
          a = fma(x0 * r, d0, a), c = fma(x1 * r, d1, c);
        }
      total0 = total0 + a, total1 = total1 + c;
    }
    store(dw + k, load(dw + k) + total0), store(dw + k + 16, load(dw + k + 16) + total1);
  }
}

static void forward(const Forward& f, long first, long last) {
  f.s.dtype == DType::f32 ? forward_of<float>(f, first, last) : forward_of<bf16>(f, first, last);
}
static void backward(const Backward& b, long first, long last) {
  b.s.dtype == DType::f32 ? backward_of<float>(b, first, last) : backward_of<bf16>(b, first, last);
}
static void weight_gradient(const Backward& b, long M, float* dw, long from, long to) {
  b.s.dtype == DType::f32 ? weight_gradient_of<float>(b, M, dw, from, to) : weight_gradient_of<bf16>(b, M, dw, from, to);
}

}  // namespace attune::ATTUNE_ISA::rms_norm_body
