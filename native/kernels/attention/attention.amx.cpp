#include "kernels/attention/backward.amx.h"
#include "kernels/attention/variants.h"

namespace attune::attention {
const Blocked& blocked_amx() {
  using namespace ATTUNE_ISA::attention_body;
  static const Blocked all{
      2, 2, 3, forward_own, backward_own, pack, ATTUNE_ISA::attention_body::forward, ATTUNE_ISA::attention_body::backward, finish};
  return all;
}
}  // namespace attune::attention
