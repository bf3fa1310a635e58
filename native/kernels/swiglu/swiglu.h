// swiglu, geglu: act = f(gate) up with f = silu or gelu;  gelu: act = gelu(x) alone.        (Shazeer 2020; Hendrycks and Gimpel 2016)
//   silu(g) = g sigmoid(g);  gelu exact: g Phi(g), or the tanh form;  d gate = d act up f'(gate);  d up = d act f(gate)
//
// In the network SwiGLU is an epilogue of the gate|up product (matmul::Finish::swiglu); these passes serve kernels from JavaScript, other activations
// and encoders. Element by element, so any split of rows gives the same bits. gate_up (M, 2 I): 16 columns of gate, 16 of up by turns, as the packed product gives them.
#pragma once
#include "base/layout.h"

namespace attune::swiglu {

enum class Activation : int { silu, gelu, gelu_tanh };

// Place of gate i and up i in the 2 I columns.
static inline long gate_place(long i) { return i / 16 * 32 + i % 16; }
static inline long up_place(long i) { return i / 16 * 32 + 16 + i % 16; }

// act (M, I) of gate_up (M, 2 I). I physical, a multiple of 32. In all four, rows last .. round32(last) of what is written are set to zero.
void forward(Activation a, DType dtype, const void* gate_up, void* act, long I, long first, long last);
// gate_up becomes its gradient; act becomes the activation again (may be dact itself, or null: not wanted).
void backward(Activation a, DType dtype, void* gate_up, const void* dact, void* act, long I, long first, long last);
// y = f(x) and dx = dy f'(x), (M, columns); y may be x, dx may be dy.
void unary(Activation a, DType dtype, const void* x, void* y, long columns, long first, long last);
void unary_backward(Activation a, DType dtype, const void* x, const void* dy, void* dx, long columns, long first, long last);

}  // namespace attune::swiglu
