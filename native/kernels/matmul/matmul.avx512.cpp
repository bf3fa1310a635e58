#include "kernels/matmul/table.body.h"

namespace attune::matmul {
const Table avx512_table{ATTUNE_ISA::rows, ATTUNE_ISA::contract, ATTUNE_ISA::pack, ATTUNE_ISA::column_sums};
}
