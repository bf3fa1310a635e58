// rms_norm:  y = w x / sqrt(mean(x^2) + eps)        (Zhang and Sennrich 2019)
//   backward: r = 1 / sqrt(mean(x^2) + eps);  dx = r (w dy) - x r^3 mean(w dy x);  dw += sum over tokens of dy x r
//
// A row of `columns` physical columns holds `groups` stretches of `size` columns from `from` on, each normed by itself over `count` real columns:
// groups = 1 for the norm of a layer, groups = heads for the norm of queries and keys (Qwen3). Padding columns hold zero and stay zero.
// Rows last .. round32(last) of y and dx are set to zero. Columns outside the stretches are neither read nor written.
// Order of summation: columns ascending in 16 lanes, lanes folded at the end; of dw: groups ascending in each token, tokens ascending, in blocks of 32 tokens.
#pragma once
#include "base/layout.h"

namespace attune::rms_norm {

struct Shape {
  DType dtype;
  long columns;             // of x and y, physical
  long from, groups, size;  // from and size multiples of 32
  long count;               // real columns of a group
  float eps;
};
struct Forward {
  Shape s;
  const void* x;
  const float* w;  // (size,) physical, padding zero
  void* y;         // same columns; may be x itself where x is not needed again
  float* inverse;  // (M, groups): r
};
struct Backward {
  Shape s;
  const void* x;
  const float* w;
  const float* inverse;
  const void* dy;
  const void* through;  // gradient that passes beside the norm (residual), added; null: none. Same layout as x
  void* dx;             // may be dy or `through` itself
};
void forward(const Forward& f, long first, long last);
void backward(const Backward& b, long first, long last);
// dw[k] += sum over tokens 0 .. M of dy x r, all groups together, for columns k in from .. to (multiples of 32) of the group.
void weight_gradient(const Backward& b, long M, float* dw, long from, long to);

}  // namespace attune::rms_norm
