// The table of variants: chosen by the instruction set of the calling thread.
#include "kernels/rotary/rotary.h"
#include "base/error.h"
#include "cpu/variant.h"
#include "kernels/rotary/variants.h"

namespace attune::rotary {

void rotate(void* x, DType dtype, long columns, long from, long heads, long D, const float* cos, const float* sin, bool inverse, long first,
            long last) {
  if (D % 64 || columns % 32 || from % 32 || from + heads * D > columns)
    throw Error("kernel_arguments",
                std::string("[rotary] expected heads of a multiple of 64 columns inside the row, got D ").append(std::to_string(D)));
  const Rotation r{x, dtype, columns, from, heads, D, cos, sin, inverse};
  cpu::variant(rotate_reference, ATTUNE_AVX2(rotate_avx2), ATTUNE_AVX512(rotate_avx512))(r, first, last);
}

}  // namespace attune::rotary
