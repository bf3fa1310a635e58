// The table of variants: chosen by the instruction set of the calling thread.
#include "kernels/swiglu/swiglu.h"
#include "base/error.h"
#include "cpu/variant.h"
#include "kernels/swiglu/variants.h"

namespace attune::swiglu {

static const Table& table(long columns) {
  if (columns % 32)
    throw Error("kernel_arguments", std::string("[swiglu] expected whole blocks of 32 columns, got ").append(std::to_string(columns)));
  return *cpu::variant(&reference_table, ATTUNE_AVX2(&avx2_table), ATTUNE_AVX512(&avx512_table));
}

void forward(Activation a, DType dtype, const void* gate_up, void* act, long I, long first, long last) {
  table(I).forward(a, dtype, gate_up, act, I, first, last);
}
void backward(Activation a, DType dtype, void* gate_up, const void* dact, void* act, long I, long first, long last) {
  table(I).backward(a, dtype, gate_up, dact, act, I, first, last);
}
void unary(Activation a, DType dtype, const void* x, void* y, long columns, long first, long last) {
  table(columns).unary(a, dtype, x, y, columns, first, last);
}
void unary_backward(Activation a, DType dtype, const void* x, const void* dy, void* dx, long columns, long first, long last) {
  table(columns).unary_backward(a, dtype, x, dy, dx, columns, first, last);
}

}  // namespace attune::swiglu
