#include "kernels/layer_norm/layer_norm.body.h"
#include "kernels/layer_norm/variants.h"

namespace attune::layer_norm {
using namespace ATTUNE_ISA;
const Table avx2_table{layer_norm_body::forward, layer_norm_body::backward, layer_norm_body::weight_gradient};
}  // namespace attune::layer_norm
