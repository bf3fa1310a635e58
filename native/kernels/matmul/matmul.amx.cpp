// bf16 on tiles; fp32 has no tiles and runs on AVX-512.
#include "kernels/matmul/contract_tiles.body.h"
#include "kernels/matmul/finish.body.h"
#include "kernels/matmul/variants.h"

namespace attune::matmul {
namespace {

void rows(const Rows& p, long first, long last, float* workspace) {
  if (p.dtype == DType::f32) return avx512_table.rows(p, first, last, workspace);
  ATTUNE_ISA::rows_of<bf16>(p, first, last, workspace);
}
void contract(const Sums& c, long from, long to, float* workspace) {
  if (c.dtype == DType::f32) return avx512_table.contract(c, from, to, workspace);
  ATTUNE_ISA::contract_tiles(c, from, to, workspace);
}
bool pack(const PackRows& p) { return avx512_table.pack(p); }
void column_sums(const void* x, DType dtype, long M, long columns, long count, float* out) {
  avx512_table.column_sums(x, dtype, M, columns, count, out);
}

}  // namespace

const Table amx_table{rows, contract, pack, column_sums};

}  // namespace attune::matmul
