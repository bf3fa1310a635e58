// The table of variants: chosen by the instruction set of the calling thread.
#include "kernels/adamw/adamw.h"
#include "cpu/variant.h"
#include "kernels/adamw/variants.h"

namespace attune::adamw {

void run(const Step& s, float* w, const float* gradient, float* m, float* v, long n) {
  cpu::variant(run_reference, ATTUNE_AVX2(run_avx2), ATTUNE_AVX512(run_avx512))(s, w, gradient, m, v, n);
}

}  // namespace attune::adamw
