// The oracle: one number at a time, in double.
#include "kernels/adamw/variants.h"
#include <cmath>

namespace attune::adamw {

void run_reference(const Step& s, float* w, const float* gradient, float* m, float* v, long n) {
  const double b1 = s.beta1, b2 = s.beta2, c1 = 1 - std::pow(b1, double(s.t)), c2 = 1 - std::pow(b2, double(s.t));
  for (long i = 0; i < n; i++) {
    const double g = double(gradient[i]) * s.scale;
    const double first = b1 * m[i] + (1 - b1) * g, second = b2 * v[i] + (1 - b2) * g * g;
    m[i] = float(first), v[i] = float(second);
    w[i] = float(double(w[i]) * (1 - double(s.rate) * s.decay) - s.rate * (first / c1) / (std::sqrt(second / c2) + s.eps));
  }
}

}  // namespace attune::adamw
