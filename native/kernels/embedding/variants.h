#pragma once
#include "base/layout.h"
#include <cstddef>

namespace attune::embedding {

// Arguments in plain pointers, for files of an instruction set.
struct Gather {
  DType dtype;
  const void* panels;  // W (V, H) in squares of 32 x 32 (kernels/matmul/product.h)
  long H;
  const int* ids;
  void* x;
};
struct Scatter {
  DType dtype;
  const void* dx;
  const int* ids;
  long N, H;
  float* dw;
};
void backward_reference(const Scatter& s, long from, long to);
void backward_avx2(const Scatter& s, long from, long to);
void backward_avx512(const Scatter& s, long from, long to);
void forward_avx2(const Gather& g, long first, long last);
void forward_avx512(const Gather& g, long first, long last);

}  // namespace attune::embedding
