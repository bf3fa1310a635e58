// The vector body of swiglu, compiled once per instruction set: memory bounds it, so each pass reads and writes every line once, in runs of a block.
#pragma once
#include "cpu/vector.h"
#include "kernels/swiglu/swiglu.h"

namespace attune::ATTUNE_ISA::swiglu_body {
using attune::swiglu::Activation;

// f(x), and its derivative in `slope`. Bounds keep exponentials finite where the result has long been 0 or x; they come first in min and max, which
// return their second operand where that is NaN.
template <Activation a, int degree> ATTUNE_INLINE F16 activate(F16 x, F16& slope) {
  const F16 one = set1(1.f);
  if constexpr (a == Activation::silu) {
    const F16 y = max(set1(-87.f), x), e = exp<degree>(-y), s = one / (one + e);
    slope = fma(y * s, e * s, s);  // e s = 1 - s, without the cancellation
    return y * s;
  } else if constexpr (a == Activation::gelu_tanh) {  // (1 + tanh(u / 2)) / 2 = sigmoid(u), u = c (x + 0.044715 x^3), c = 2 sqrt(2 / pi)
    constexpr float c = 1.59576912160573071f, cube = 0.044715f * c;
    const F16 above = max(set1(-9.9f), x), y = min(set1(9.9f), above), square = y * y;
    const F16 e = exp<degree>(-(y * fma(square, set1(cube), set1(c)))), s = one / (one + e);
    slope = fma(y * s * (e * s), fma(square, set1(3 * cube), set1(c)), s);
    return above * s;
  } else {
    // Phi(-|x|) = exp(-x^2 / 2) t q(t), t = 1 / (1 + 0.31 |x|): q is a minimax fit of Mills' ratio on |x| < 14, relative error 1.6e-7.
    const F16 size = max(x, -x), near = min(set1(14.5f), size), t = one / fma(near, set1(0.31f), one);
    F16 q = fma(set1(0.0358419455f), t, set1(-0.141605452f));
    q = fma(q, t, set1(0.155069277f));
    q = fma(q, t, set1(-0.0149046257f));
    q = fma(q, t, set1(0.110110752f));
    q = fma(q, t, set1(0.10777092f));
    q = fma(q, t, set1(0.12406037f));
    q = fma(q, t, set1(0.123656906f));
    const F16 e = exp2<degree>(near * near * set1(-0.5f * kLog2e)), tail = e * t * q;
    // Phi(x) + x phi(x) is g for x < 0 and 1 - g for x > 0; `above` is 0 or 1 but for the smallest numbers, where g = 1/2.
    const F16 g = fnma(near * set1(0.398942280401432678f), e, tail), above = max(zero(), min(one, x * set1(1e30f)));
    slope = fma(above, fma(set1(-2.f), g, one), g);
    return fnma(size, tail, max(zero(), x));
  }
}

template <class T> static void clear_padding(T* x, long columns, long last) {
  if (last % 32 == 0) return;
  for (long k = 0; k < columns; k += 32) memset((void*)(x + rows_index(last, k, columns)), 0, size_t(32 - last % 32) * 32 * sizeof(T));
}

// Calls run(m, k) for rows first .. last of each block of 32 columns, block by block.
template <class Run> ATTUNE_INLINE void each_line(long columns, long first, long last, Run run) {
  for (long block = first; block < last; block = block / 32 * 32 + 32) {
    const long end = block / 32 * 32 + 32 < last ? block / 32 * 32 + 32 : last;
    for (long k = 0; k < columns; k += 32)
      for (long m = block; m < end; m++) run(m, k);
  }
}

template <class T> struct Passes {
  static constexpr int degree = ExpDegree<T>::value;

  template <Activation a> static void forward(const T* gate_up, T* act, long I, long first, long last) {
    each_line(I, first, last, [=](long m, long k) {
      const T* in = gate_up + rows_index(m, 2 * k, 2 * I);
      F16 g0, u0, g1, u1, slope;
      load32(in, g0, u0), load32(in + kStep, g1, u1);
      store32(act + rows_index(m, k, I), activate<a, degree>(g0, slope) * u0, activate<a, degree>(g1, slope) * u1);
    });
    clear_padding(act, I, last);
  }

  template <Activation a> static void backward(T* gate_up, const T* dact, T* act, long I, long first, long last) {
    each_line(I, first, last, [=](long m, long k) {
      T* in = gate_up + rows_index(m, 2 * k, 2 * I);
      F16 g0, u0, g1, u1, d0, d1, s0, s1;
      load32(in, g0, u0), load32(in + kStep, g1, u1), load32(dact + rows_index(m, k, I), d0, d1);
      const F16 f0 = activate<a, degree>(g0, s0), f1 = activate<a, degree>(g1, s1);
      store32(in, d0 * u0 * s0, d0 * f0), store32(in + kStep, d1 * u1 * s1, d1 * f1);
      if (act) store32(act + rows_index(m, k, I), f0 * u0, f1 * u1);
    });
    clear_padding(gate_up, 2 * I, last);
    if (act) clear_padding(act, I, last);
  }

  template <Activation a> static void unary(const T* x, T* y, long columns, long first, long last) {
    each_line(columns, first, last, [=](long m, long k) {
      const long i = rows_index(m, k, columns);
      F16 lo, hi, slope;
      load32(x + i, lo, hi);
      store32(y + i, activate<a, degree>(lo, slope), activate<a, degree>(hi, slope));
    });
    clear_padding(y, columns, last);
  }

  template <Activation a> static void unary_backward(const T* x, const T* dy, T* dx, long columns, long first, long last) {
    each_line(columns, first, last, [=](long m, long k) {
      const long i = rows_index(m, k, columns);
      F16 lo, hi, d0, d1, s0, s1;
      load32(x + i, lo, hi), load32(dy + i, d0, d1);
      activate<a, degree>(lo, s0), activate<a, degree>(hi, s1);
      store32(dx + i, d0 * s0, d1 * s1);
    });
    clear_padding(dx, columns, last);
  }
};

// The instance for an activation and a number type.
#define ATTUNE_PASS(T, pass, ...)                                          \
  switch (a) {                                                             \
    case Activation::silu:                                                 \
      return Passes<T>::template pass<Activation::silu>(__VA_ARGS__);      \
    case Activation::gelu:                                                 \
      return Passes<T>::template pass<Activation::gelu>(__VA_ARGS__);      \
    case Activation::gelu_tanh:                                            \
      return Passes<T>::template pass<Activation::gelu_tanh>(__VA_ARGS__); \
  }

static void forward(Activation a, DType t, const void* gate_up, void* act, long I, long first, long last) {
  if (t == DType::f32) ATTUNE_PASS(float, forward, (const float*)gate_up, (float*)act, I, first, last)
  ATTUNE_PASS(bf16, forward, (const bf16*)gate_up, (bf16*)act, I, first, last)
}
static void backward(Activation a, DType t, void* gate_up, const void* dact, void* act, long I, long first, long last) {
  if (t == DType::f32) ATTUNE_PASS(float, backward, (float*)gate_up, (const float*)dact, (float*)act, I, first, last)
  ATTUNE_PASS(bf16, backward, (bf16*)gate_up, (const bf16*)dact, (bf16*)act, I, first, last)
}
static void unary(Activation a, DType t, const void* x, void* y, long columns, long first, long last) {
  if (t == DType::f32) ATTUNE_PASS(float, unary, (const float*)x, (float*)y, columns, first, last)
  ATTUNE_PASS(bf16, unary, (const bf16*)x, (bf16*)y, columns, first, last)
}
static void unary_backward(Activation a, DType t, const void* x, const void* dy, void* dx, long columns, long first, long last) {
  if (t == DType::f32) ATTUNE_PASS(float, unary_backward, (const float*)x, (const float*)dy, (float*)dx, columns, first, last)
  ATTUNE_PASS(bf16, unary_backward, (const bf16*)x, (const bf16*)dy, (bf16*)dx, columns, first, last)
}
#undef ATTUNE_PASS

}  // namespace attune::ATTUNE_ISA::swiglu_body
