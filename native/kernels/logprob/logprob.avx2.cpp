#include "kernels/logprob/table.body.h"

namespace attune::logprob {
const Table avx2_table = ATTUNE_ISA::logprob_body::table;
}  // namespace attune::logprob
