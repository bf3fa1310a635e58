#include "kernels/logprob/table.body.h"

namespace attune::logprob {
const Table avx512_table = ATTUNE_ISA::logprob_body::table;
}  // namespace attune::logprob
