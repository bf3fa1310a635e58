// The oracle: one row and one group at a time, sums in double.
#include "kernels/rms_norm/variants.h"
#include <cmath>

namespace attune::rms_norm {
namespace {

long place(const Shape& s, long m, long group, long k) { return rows_index(m, s.from + group * s.size + k, s.columns); }

template <class T> void clear_padding(const Shape& s, T* out, long last) {
  for (long m = last; m < round32(last); m++)
    for (long k = 0; k < s.groups * s.size; k++) store(out + place(s, m, 0, k), 0.f);
}

template <class T> void forward_of(const Forward& f, long first, long last) {
  const T* x = (const T*)f.x;
  T* y = (T*)f.y;
  for (long m = first; m < last; m++)
    for (long g = 0; g < f.s.groups; g++) {
      double square = 0;
      for (long k = 0; k < f.s.size; k++) square += double(to_float(x[place(f.s, m, g, k)])) * to_float(x[place(f.s, m, g, k)]);
      const double r = 1 / std::sqrt(square / f.s.count + f.s.eps);
      f.inverse[m * f.s.groups + g] = float(r);
      for (long k = 0; k < f.s.size; k++) store(y + place(f.s, m, g, k), float(to_float(x[place(f.s, m, g, k)]) * r * f.w[k]));
    }
  clear_padding(f.s, y, last);
}

template <class T> void backward_of(const Backward& b, long first, long last) {
  const T *x = (const T*)b.x, *dy = (const T*)b.dy, *through = (const T*)b.through;
  T* dx = (T*)b.dx;
  for (long m = first; m < last; m++)
    for (long g = 0; g < b.s.groups; g++) {
      const double r = b.inverse[m * b.s.groups + g];
      double dot = 0;
      for (long k = 0; k < b.s.size; k++) dot += double(b.w[k]) * to_float(dy[place(b.s, m, g, k)]) * to_float(x[place(b.s, m, g, k)]);
      const double c = r * r * r * dot / b.s.count;
      for (long k = 0; k < b.s.size; k++) {
        const long i = place(b.s, m, g, k);
        const double beside = through ? to_float(through[i]) : 0;
        store(dx + i, float(beside + r * b.w[k] * to_float(dy[i]) - c * to_float(x[i])));
      }
    }
  clear_padding(b.s, dx, last);
}

template <class T> void weight_gradient_of(const Backward& b, long M, float* dw, long from, long to) {
  const T *x = (const T*)b.x, *dy = (const T*)b.dy;
  for (long k = from; k < to; k++) {
    double total = 0;
    for (long m = 0; m < M; m++)
      for (long g = 0; g < b.s.groups; g++)
        total += double(to_float(dy[place(b.s, m, g, k)])) * to_float(x[place(b.s, m, g, k)]) * b.inverse[m * b.s.groups + g];
    dw[k] = float(dw[k] + total);
  }
}

void forward_reference(const Forward& f, long first, long last) {
  f.s.dtype == DType::f32 ? forward_of<float>(f, first, last) : forward_of<bf16>(f, first, last);
}
void backward_reference(const Backward& b, long first, long last) {
  b.s.dtype == DType::f32 ? backward_of<float>(b, first, last) : backward_of<bf16>(b, first, last);
}
void weight_gradient_reference(const Backward& b, long M, float* dw, long from, long to) {
  b.s.dtype == DType::f32 ? weight_gradient_of<float>(b, M, dw, from, to) : weight_gradient_of<bf16>(b, M, dw, from, to);
}

}  // namespace

const Table reference_table{forward_reference, backward_reference, weight_gradient_reference};

}  // namespace attune::rms_norm
