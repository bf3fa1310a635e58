// The table of variants: chosen by the instruction set of the calling thread.
#include "kernels/rms_norm/rms_norm.h"
#include "base/error.h"
#include "cpu/variant.h"
#include "kernels/rms_norm/variants.h"

namespace attune::rms_norm {

static const Table& table() { return *cpu::variant(&reference_table, ATTUNE_AVX2(&avx2_table), ATTUNE_AVX512(&avx512_table)); }

static void check(const Shape& s) {
  const bool blocks = s.columns % 32 == 0 && s.from % 32 == 0 && s.size % 32 == 0;
  if (!blocks || s.from < 0 || s.count < 1 || s.count > s.size || s.from + s.groups * s.size > s.columns)
    throw Error("kernel_arguments", std::string("[rms_norm] expected groups of whole 32-column blocks inside the row, got ")
                                        .append(std::to_string(s.groups))
                                        .append(" of ")
                                        .append(std::to_string(s.size))
                                        .append(" columns"));
}

void forward(const Forward& f, long first, long last) { check(f.s), table().forward(f, first, last); }
void backward(const Backward& b, long first, long last) { check(b.s), table().backward(b, first, last); }
void weight_gradient(const Backward& b, long M, float* dw, long from, long to) { check(b.s), table().weight_gradient(b, M, dw, from, to); }

}  // namespace attune::rms_norm
