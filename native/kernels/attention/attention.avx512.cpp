#include "kernels/attention/backward.body.h"
#include "kernels/attention/decode.body.h"

namespace attune::attention {
const Blocked& blocked_avx512(DType t) { return ATTUNE_ISA::attention_body::blocked(t); }
const Paged& paged_avx512(DType t) { return ATTUNE_ISA::attention_body::paged(t); }
}  // namespace attune::attention
