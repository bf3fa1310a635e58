#pragma once
#include "kernels/rms_norm/rms_norm.h"

namespace attune::rms_norm {

// The functions of rms_norm.h for one instruction set.
struct Table {
  void (*forward)(const Forward& f, long first, long last);
  void (*backward)(const Backward& b, long first, long last);
  void (*weight_gradient)(const Backward& b, long M, float* dw, long from, long to);
};
extern const Table reference_table, avx2_table, avx512_table;

}  // namespace attune::rms_norm
