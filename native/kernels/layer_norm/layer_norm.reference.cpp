// The oracle: one row at a time, sums in double.
#include "kernels/layer_norm/variants.h"
#include <cmath>

namespace attune::layer_norm {
namespace {

template <class T> void clear(const Shape& s, T* out, long first, long last, long from) {
  for (long m = first; m < last; m++)
    for (long k = from; k < s.columns; k++) store(out + rows_index(m, k, s.columns), 0.f);
}

template <class T> void forward_of(const Forward& f, long first, long last) {
  const Shape& s = f.s;
  T* y = (T*)f.y;
  for (long m = first; m < last; m++) {
    const auto x = [&](long k) { return double(to_float(((const T*)f.x)[rows_index(m, k, s.columns)])); };
    double sum = 0, square = 0;
    for (long k = 0; k < s.count; k++) sum += x(k);
    const double mean = sum / s.count;
    for (long k = 0; k < s.count; k++) square += (x(k) - mean) * (x(k) - mean);
    const double r = 1 / std::sqrt(square / s.count + s.eps);
    f.mean[m] = float(mean), f.inverse[m] = float(r);
    for (long k = 0; k < s.count; k++) store(y + rows_index(m, k, s.columns), float(f.w[k] * (x(k) - mean) * r + (f.b ? f.b[k] : 0)));
  }
  clear(s, y, first, last, s.count), clear(s, y, last, round32(last), 0);
}

template <class T> void backward_of(const Backward& b, long first, long last) {
  const Shape& s = b.s;
  T* dx = (T*)b.dx;
  for (long m = first; m < last; m++) {
    const auto at = [&](const void* p, long k) { return double(to_float(((const T*)p)[rows_index(m, k, s.columns)])); };
    const double r = b.inverse[m], mean = b.mean[m];
    double plain = 0, along = 0;
    for (long k = 0; k < s.count; k++) {
      const double d = b.w[k] * at(b.dy, k);
      plain += d, along += d * (at(b.x, k) - mean) * r;
    }
    for (long k = 0; k < s.count; k++) {
      const double g = r * (b.w[k] * at(b.dy, k) - plain / s.count - (at(b.x, k) - mean) * r * along / s.count);
      store(dx + rows_index(m, k, s.columns), float(g + (b.through ? at(b.through, k) : 0)));
    }
  }
  clear(s, dx, first, last, s.count), clear(s, dx, last, round32(last), 0);
}

template <class T> void weight_gradient_of(const Backward& b, long M, float* dw, float* db, long from, long to) {
  const Shape& s = b.s;
  for (long k = from; k < to && k < s.count; k++) {
    double w = 0, bias = 0;
    for (long m = 0; m < M; m++) {
      const long i = rows_index(m, k, s.columns);
      const double d = to_float(((const T*)b.dy)[i]);
      w += d * (to_float(((const T*)b.x)[i]) - double(b.mean[m])) * b.inverse[m], bias += d;
    }
    dw[k] = float(dw[k] + w);
    if (db) db[k] = float(db[k] + bias);
  }
}

void forward_reference(const Forward& f, long first, long last) {
  f.s.dtype == DType::f32 ? forward_of<float>(f, first, last) : forward_of<bf16>(f, first, last);
}
void backward_reference(const Backward& b, long first, long last) {
  b.s.dtype == DType::f32 ? backward_of<float>(b, first, last) : backward_of<bf16>(b, first, last);
}
void weight_gradient_reference(const Backward& b, long M, float* dw, float* db, long from, long to) {
  b.s.dtype == DType::f32 ? weight_gradient_of<float>(b, M, dw, db, from, to) : weight_gradient_of<bf16>(b, M, dw, db, from, to);
}

}  // namespace

const Table reference_table{forward_reference, backward_reference, weight_gradient_reference};

}  // namespace attune::layer_norm
