#include "kernels/rms_norm/rms_norm.body.h"
#include "kernels/rms_norm/variants.h"

namespace attune::rms_norm {
const Table avx512_table{ATTUNE_ISA::rms_norm_body::forward, ATTUNE_ISA::rms_norm_body::backward,
                         ATTUNE_ISA::rms_norm_body::weight_gradient};
}  // namespace attune::rms_norm
