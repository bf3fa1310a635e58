// The functions of each instruction set, in plain pointers. No header of the standard library: the suffixed files see this.
#pragma once
#include "kernels/matmul/product.h"

namespace attune::matmul {

struct Table {
  void (*rows)(const Rows& p, long first, long last, float* workspace);
  void (*contract)(const Sums& c, long from, long to, float* workspace);
  bool (*pack)(const PackRows& p);  // false: a number is not finite. Null: row by row, without a variant
  void (*column_sums)(const void* x, DType dtype, long M, long columns, long count, float* out);
};
const Table& table();  // of the calling thread's instruction set
extern const Table reference_table, avx2_table, avx512_table, amx_table;

}  // namespace attune::matmul
