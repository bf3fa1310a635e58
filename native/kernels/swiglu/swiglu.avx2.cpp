#include "kernels/swiglu/swiglu.body.h"
#include "kernels/swiglu/variants.h"

namespace attune::swiglu {
using namespace ATTUNE_ISA;
const Table avx2_table{swiglu_body::forward, swiglu_body::backward, swiglu_body::unary, swiglu_body::unary_backward};
}  // namespace attune::swiglu
