#pragma once
#include "kernels/swiglu/swiglu.h"

namespace attune::swiglu {

// The functions of swiglu.h for one instruction set.
struct Table {
  void (*forward)(Activation a, DType dtype, const void* gate_up, void* act, long I, long first, long last);
  void (*backward)(Activation a, DType dtype, void* gate_up, const void* dact, void* act, long I, long first, long last);
  void (*unary)(Activation a, DType dtype, const void* x, void* y, long columns, long first, long last);
  void (*unary_backward)(Activation a, DType dtype, const void* x, const void* dy, void* dx, long columns, long first, long last);
};
extern const Table reference_table, avx2_table, avx512_table;

}  // namespace attune::swiglu
