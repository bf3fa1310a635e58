#include "kernels/rotary/rotary.body.h"

namespace attune::rotary {
void rotate_avx512(const Rotation& r, long first, long last) { ATTUNE_ISA::rotary_body::rotate(r, first, last); }
}  // namespace attune::rotary
