#include "kernels/attention/backward.body.h"
#include "kernels/attention/variants.h"

namespace attune::attention {
const Blocked& blocked_avx512(DType t) { return ATTUNE_ISA::attention_body::blocked(t); }
}  // namespace attune::attention
