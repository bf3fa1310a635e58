// The table of variants: chosen by the instruction set of the calling thread.
#include "kernels/adamw/adamw.h"
#include "cpu/features.h"
#include "kernels/adamw/variants.h"

namespace attune::adamw {

void run(const Step& s, float* w, const float* gradient, float* m, float* v, long n) {
#if defined(ATTUNE_HAVE_AVX512)
  if (cpu::chosen() >= cpu::Isa::avx512) return run_avx512(s, w, gradient, m, v, n);
#endif
#if defined(ATTUNE_HAVE_AVX2)
  if (cpu::chosen() >= cpu::Isa::avx2) return run_avx2(s, w, gradient, m, v, n);
#endif
  run_reference(s, w, gradient, m, v, n);
}

}  // namespace attune::adamw
