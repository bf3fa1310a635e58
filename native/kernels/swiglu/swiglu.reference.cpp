// The oracle: one number at a time, in double.
#include "kernels/swiglu/variants.h"
#include <cmath>

namespace attune::swiglu {
namespace {

// f(x), and its derivative in `slope`.
double activate(Activation a, double x, double& slope) {
  if (a == Activation::gelu) {
    const double phi = std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846), area = std::erfc(-x / std::sqrt(2.0)) / 2;
    slope = area + x * phi;
    return x * area;
  }
  double u = x, du = 1;
  if (a == Activation::gelu_tanh) {  // (1 + tanh(u / 2)) / 2 = sigmoid(u)
    const double c = 2 * std::sqrt(2 / 3.14159265358979323846);
    u = c * (x + 0.044715 * x * x * x), du = c * (1 + 3 * 0.044715 * x * x);
  }
  const double s = 1 / (1 + std::exp(-u)), rest = 1 / (1 + std::exp(u));  // 1 - s, without the cancellation
  slope = s * (1 + x * rest * du);
  return x * s;
}

template <class T> void clear_padding(T* x, long columns, long last) {
  for (long m = last; m < round32(last); m++)
    for (long k = 0; k < columns; k++) store(x + rows_index(m, k, columns), 0.f);
}

template <class T> void forward_of(Activation a, const T* gate_up, T* act, long I, long first, long last) {
  double slope;
  for (long m = first; m < last; m++)
    for (long i = 0; i < I; i++) {
      const double gate = to_float(gate_up[rows_index(m, gate_place(i), 2 * I)]), up = to_float(gate_up[rows_index(m, up_place(i), 2 * I)]);
      store(act + rows_index(m, i, I), float(activate(a, gate, slope) * up));
    }
  clear_padding(act, I, last);
}

template <class T> void backward_of(Activation a, T* gate_up, const T* dact, T* act, long I, long first, long last) {
  for (long m = first; m < last; m++)
    for (long i = 0; i < I; i++) {
      T *gate = gate_up + rows_index(m, gate_place(i), 2 * I), *up = gate_up + rows_index(m, up_place(i), 2 * I);
      const double d = to_float(dact[rows_index(m, i, I)]), u = to_float(*up);
      double slope;
      const double f = activate(a, to_float(*gate), slope);
      store(gate, float(d * u * slope)), store(up, float(d * f));
      if (act) store(act + rows_index(m, i, I), float(f * u));
    }
  clear_padding(gate_up, 2 * I, last);
  if (act) clear_padding(act, I, last);
}

template <class T> void unary_of(Activation a, const T* x, T* y, long columns, long first, long last) {
  double slope;
  for (long m = first; m < last; m++)
    for (long k = 0; k < columns; k++) {
      const long i = rows_index(m, k, columns);
      store(y + i, float(activate(a, to_float(x[i]), slope)));
    }
  clear_padding(y, columns, last);
}

template <class T> void unary_backward_of(Activation a, const T* x, const T* dy, T* dx, long columns, long first, long last) {
  for (long m = first; m < last; m++)
    for (long k = 0; k < columns; k++) {
      const long i = rows_index(m, k, columns);
      double slope;
      activate(a, to_float(x[i]), slope);
      store(dx + i, float(to_float(dy[i]) * slope));
    }
  clear_padding(dx, columns, last);
}

void forward_reference(Activation a, DType t, const void* gate_up, void* act, long I, long first, long last) {
  if (t == DType::f32) return forward_of(a, (const float*)gate_up, (float*)act, I, first, last);
  forward_of(a, (const bf16*)gate_up, (bf16*)act, I, first, last);
}
void backward_reference(Activation a, DType t, void* gate_up, const void* dact, void* act, long I, long first, long last) {
  if (t == DType::f32) return backward_of(a, (float*)gate_up, (const float*)dact, (float*)act, I, first, last);
  backward_of(a, (bf16*)gate_up, (const bf16*)dact, (bf16*)act, I, first, last);
}
void unary_reference(Activation a, DType t, const void* x, void* y, long columns, long first, long last) {
  if (t == DType::f32) return unary_of(a, (const float*)x, (float*)y, columns, first, last);
  unary_of(a, (const bf16*)x, (bf16*)y, columns, first, last);
}
void unary_backward_reference(Activation a, DType t, const void* x, const void* dy, void* dx, long columns, long first, long last) {
  if (t == DType::f32) return unary_backward_of(a, (const float*)x, (const float*)dy, (float*)dx, columns, first, last);
  unary_backward_of(a, (const bf16*)x, (const bf16*)dy, (bf16*)dx, columns, first, last);
}

}  // namespace

const Table reference_table{forward_reference, backward_reference, unary_reference, unary_backward_reference};

}  // namespace attune::swiglu
