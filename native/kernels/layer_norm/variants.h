#pragma once
#include "kernels/layer_norm/layer_norm.h"

namespace attune::layer_norm {

// The functions of layer_norm.h for one instruction set.
struct Table {
  void (*forward)(const Forward& f, long first, long last);
  void (*backward)(const Backward& b, long first, long last);
  void (*weight_gradient)(const Backward& b, long M, float* dw, float* db, long from, long to);
};
extern const Table reference_table, avx2_table, avx512_table;

}  // namespace attune::layer_norm
