// layer_norm:  y = w (x - mean) / sqrt(var + eps) + b        (Ba, Kiros, Hinton 2016), for encoders of the BERT family.
// The mean and the variance are those of the `count` real columns, the variance as the mean of (x - mean)^2 (two passes: no cancellation).
//   backward: with xh = (x - mean) r:  dx = r (w dy - mean(w dy) - xh mean(w dy xh));  dw += dy xh;  db += dy
// Padding columns hold zero and stay zero. Rows last .. round32(last) of y and dx are set to zero.
// Order of summation: columns ascending in 16 lanes, lanes folded at the end; of dw and db: tokens ascending, in blocks of 32 tokens.
#pragma once
#include "base/layout.h"

namespace attune::layer_norm {

struct Shape {
  DType dtype;
  long columns;  // physical, multiple of 32
  long count;    // real columns
  float eps;
};
struct Forward {
  Shape s;
  const void* x;
  const float *w, *b;  // (columns,) padding zero; b may be null
  void* y;
  float *mean, *inverse;  // (M,)
};
struct Backward {
  Shape s;
  const void* x;
  const float* w;
  const float *mean, *inverse;
  const void* dy;
  const void* through;  // null: none
  void* dx;
};
void forward(const Forward& f, long first, long last);
void backward(const Backward& b, long first, long last);
// dw[k], db[k] += sums over tokens 0 .. M, columns from .. to (multiples of 32); db may be null.
void weight_gradient(const Backward& b, long M, float* dw, float* db, long from, long to);

}  // namespace attune::layer_norm
