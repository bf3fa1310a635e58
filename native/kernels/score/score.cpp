// One variant: a few rows of one product each, far below a thousandth of a step.
#include "kernels/score/score.h"

namespace attune::score {
namespace {

template <class T> float dot(const T* x, const Rows& r, long row) {
  float lanes[16] = {};
  for (long k = 0; k < r.H; k += 16)
    for (int j = 0; j < 16; j++) lanes[j] += r.w[k + j] * to_float(x[rows_index(row, k, r.H) + j]);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}
template <class T> void back(const Rows& r, const float* g, T* dx, float* dw) {
  const T* x = static_cast<const T*>(r.x);
  for (long s = 0; s < r.S; s++)
    for (long k = 0; k < r.H; k += 16)
      for (int j = 0; j < 16; j++) {
        const long at = rows_index(s, k, r.H) + j;
        if (dw) dw[k + j] += g[s] * to_float(x[at]);
        store(dx + at, g[s] * r.w[k + j]);
      }
}

}  // namespace

void forward(const Rows& r, float* out) {
  for (long s = 0; s < r.S; s++)
    out[s] = r.dtype == DType::f32 ? dot(static_cast<const float*>(r.x), r, s) : dot(static_cast<const bf16*>(r.x), r, s);
}
void backward(const Rows& r, const float* g, void* dx, float* dw) {
  if (r.dtype == DType::f32)
    back(r, g, static_cast<float*>(dx), dw);
  else
    back(r, g, static_cast<bf16*>(dx), dw);
}

}  // namespace attune::score
