// What attention.cpp chooses from. Files of an instruction set see arguments and tasks as plain structs, and never the team.
#pragma once
#include "kernels/attention/blocks.h"
#include <stddef.h>

namespace attune {
class Team;
}
namespace attune::attention {

size_t forward_bytes_reference(const Shape& s, int threads);
size_t backward_bytes_reference(const Shape& s, int threads);
void forward_reference(Team& team, const Forward& f, char* workspace);
void backward_reference(Team& team, const Backward& b, char* workspace);

// Ways of working in blocks, for either number type.
const Blocked& blocked_avx2(DType t);
const Blocked& blocked_avx512(DType t);
const Blocked& blocked_amx();  // bf16

// Row `row` of qkv (rows, (H + 2 G) D) goes to `slot`.
struct AppendRow {
  const Cache* cache;
  const void* qkv;
  long heads;
  const float *cos, *sin;  // (rows, D/2) or null
  long row, slot;
};
// Ways of working on pages, for either number type. decode: all query heads of key/value head g of one row.
struct Paged {
  void (*append)(const AppendRow& a);
  void (*decode)(const Decode& d, long row, long g);
};
const Paged& paged_reference(DType t);
const Paged& paged_avx2(DType t);
const Paged& paged_avx512(DType t);

}  // namespace attune::attention
