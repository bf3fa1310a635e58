#include "kernels/adamw/adamw.body.h"
#include "kernels/adamw/variants.h"

namespace attune::adamw {
void run_avx512(const Step& s, float* w, const float* gradient, float* m, float* v, long n) {
  ATTUNE_ISA::adamw_body::run(s, w, gradient, m, v, n);
}
}  // namespace attune::adamw
