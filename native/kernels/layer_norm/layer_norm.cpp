// The table of variants: chosen by the instruction set of the calling thread.
#include "kernels/layer_norm/layer_norm.h"
#include "base/error.h"
#include "cpu/variant.h"
#include "kernels/layer_norm/variants.h"

namespace attune::layer_norm {

static const Table& table(const Shape& s) {
  if (s.columns % 32 || s.count < 1 || s.count > s.columns)
    throw Error("kernel_arguments",
                std::string("[layer_norm] expected whole blocks of 32 columns, got ").append(std::to_string(s.columns)));
  return *cpu::variant(&reference_table, ATTUNE_AVX2(&avx2_table), ATTUNE_AVX512(&avx512_table));
}

void forward(const Forward& f, long first, long last) { table(f.s).forward(f, first, last); }
void backward(const Backward& b, long first, long last) { table(b.s).backward(b, first, last); }
void weight_gradient(const Backward& b, long M, float* dw, float* db, long from, long to) {
  table(b.s).weight_gradient(b, M, dw, db, from, to);
}

}  // namespace attune::layer_norm
