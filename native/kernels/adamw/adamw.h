// adamw (Loshchilov and Hutter 2019), fp32 state:
//   m = b1 m + (1 - b1) g ;  v = b2 v + (1 - b2) g^2 ;  w -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + rate decay w (decoupled, before the update)
// g = scale * gradient: clipping and nothing else. Element by element, so any split gives the same bits.
#pragma once

namespace attune::adamw {

struct Step {
  float rate, beta1, beta2, eps, decay, scale;
  long t;  // from 1
};
void run(const Step& s, float* w, const float* gradient, float* m, float* v, long n);

}  // namespace attune::adamw
