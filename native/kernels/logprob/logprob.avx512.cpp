#include "kernels/logprob/table.body.h"

namespace attune::logprob {
using namespace ATTUNE_ISA;
const Table avx512_table{logprob_body::forward_part, logprob_body::slopes, logprob_body::accumulate, logprob_body::add,
                         logprob_body::finish};
}  // namespace attune::logprob
