// embedding: X (N, H) = rows ids of W (V, H); backward: dW[id] += dX, tokens ascending (deterministic: each task owns columns).
#pragma once
#include "kernels/matmul/matmul.h"

namespace attune::embedding {

// Gathers rows from the packed matrix (a tied head needs no second copy). Rows N .. round32(N) are set to zero.
void forward(const matmul::Weights& w, const int* ids, long N, void* x, long first, long last);
// dw (V, H) fp32 rows layout += gradients of tokens 0 .. N, for columns from .. to (multiples of 32).
void backward(const void* dx, DType dtype, const int* ids, long N, long H, float* dw, long from, long to);

}  // namespace attune::embedding
