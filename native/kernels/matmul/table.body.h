// The functions of matmul for the instruction set that includes this, both dtypes.
#pragma once
#include "kernels/matmul/contract.body.h"
#include "kernels/matmul/finish.body.h"
#include "kernels/matmul/pack.body.h"
#include "kernels/matmul/variants.h"

namespace attune::ATTUNE_ISA {

static void rows(const matmul::Rows& p, long first, long last, float* workspace) {
  if (p.dtype == DType::f32)
    rows_of<float>(p, first, last, workspace);
  else
    rows_of<bf16>(p, first, last, workspace);
}
static void contract(const matmul::Sums& c, long from, long to, float* workspace) {
  if (c.dtype == DType::f32)
    contract_of<float>(c, from, to, workspace);
  else
    contract_of<bf16>(c, from, to, workspace);
}
static void column_sums(const void* x, DType dtype, long M, long columns, long count, float* out) {
  if (dtype == DType::f32)
    column_sums_of((const float*)x, M, columns, count, out);
  else
    column_sums_of((const bf16*)x, M, columns, count, out);
}

static bool pack(const matmul::PackRows& p) { return p.dtype == DType::f32 ? pack_of<float>(p) : pack_of<bf16>(p); }

}  // namespace attune::ATTUNE_ISA
