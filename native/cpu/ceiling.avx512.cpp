#include "cpu/ceiling.body.h"

namespace attune::cpu {
double multiply_avx512(const float* numbers, long rounds, float* sink) { return ATTUNE_ISA::ceiling_body::multiply(numbers, rounds, sink); }
void read_avx512(const float* from, long n, float* sink) { ATTUNE_ISA::ceiling_body::read(from, n, sink); }
void copy_avx512(const float* from, float* to, long n) { ATTUNE_ISA::ceiling_body::copy(from, to, n); }
}  // namespace attune::cpu
