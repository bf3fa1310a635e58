// score: one number per row, s = w . x: the scalar head of a reward model (last token of a sequence) or a value model (every trained token).
//   backward: dx = g w;  dw += sum over rows of g x, rows ascending.        Sums fp32 in lanes of 16, folded at the end.
#pragma once
#include "base/layout.h"

namespace attune::score {

struct Rows {
  DType dtype;
  const void* x;  // (S, H) rows layout
  long H;         // physical, multiple of 32, padding zero
  long S;
  const float* w;  // (H)
};
void forward(const Rows& r, float* out);                            // out (S)
void backward(const Rows& r, const float* g, void* dx, float* dw);  // dx (S, H); dw (H) added to, null: frozen

}  // namespace attune::score
