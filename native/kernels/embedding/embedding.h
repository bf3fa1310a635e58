// embedding: X (N, H) = rows ids of W (V, H); backward: dW[id] += dX, tokens ascending (deterministic: each task owns columns).
#pragma once
#include "kernels/matmul/matmul.h"

namespace attune::embedding {

// Gathers rows `ids` 0 .. N from the packed matrix (a tied head needs no second copy) into x (N, K of w) in w's dtype, for tokens first .. last.
// Rows last .. round32(last) are set to zero. ids are within 0 .. V-1.
void forward(const matmul::Weights& w, const int* ids, long N, void* x, long first, long last);
// dw (V, H) fp32 rows layout += gradients of tokens 0 .. N, for columns from .. to (multiples of 32). H physical.
void backward(const void* dx, DType dtype, const int* ids, long N, long H, float* dw, long from, long to);

}  // namespace attune::embedding
