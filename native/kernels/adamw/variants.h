#pragma once
#include "kernels/adamw/adamw.h"

namespace attune::adamw {
void run_reference(const Step& s, float* w, const float* gradient, float* m, float* v, long n);
void run_avx2(const Step& s, float* w, const float* gradient, float* m, float* v, long n);
void run_avx512(const Step& s, float* w, const float* gradient, float* m, float* v, long n);
}  // namespace attune::adamw
