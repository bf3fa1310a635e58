// logprob: hidden (R, H) x vocabulary weights (V, H) -> log-probability of each target, and back. Logits (R, V) never exist: 32 x 32 blocks only.
//
//   z = hidden W^T (+ bias) (with softcap c: c tanh(z / c)) ;  lse = log sum_v exp z_v ;  logprob = z_target - lse
//   entropy = lse - sum_v p_v z_v                      mean = (1 / V) sum_v z_v
//   d loss / d z_v = g (1{v = target} - p_v) + g_lse p_v - g_entropy p_v (log p_v + entropy) + g_mean / V
//
// g, g_lse, g_entropy, g_mean (R,) are the gradients of the loss with respect to the four outputs. Columns V .. round32(V) are no part of the softmax.
// The backward pass computes the logits again, block by block: 6 R V H operations with forward, 10 R V H where the weights are trained too.
// Order of summation: parts of kPart vocabulary rows, ascending; within a part ascending in lanes, lanes folded at its end; dweight: tokens ascending in
// blocks. Sums fp32, folds of forward double. A row's numbers depend neither on the other rows nor on the number of threads.
// Memory: forward_bytes and backward_bytes; R x V / kPart x 16 bytes forward, two fp32 copies of a block of rows per thread backward (plan.h).
// Reference: the fused linear cross-entropy of the field (Wijmans et al. 2024, "Cut your losses"; Liger-Kernel), restated for log-probabilities;
// Milakov and Gimelshein 2018 (online softmax).
#pragma once
#include "kernels/matmul/matmul.h"

namespace attune::logprob {

struct Forward {
  const matmul::Weights* head;  // (V, H) packed
  long V;                       // logical
  const void* hidden;           // (R, H) rows layout
  long R;
  const int* targets;           // (R,) in 0 .. V-1
  float softcap;                // 0: none
  float* logprob;               // (R,)
  float* lse;                   // (R,)
  float* entropy;               // (R,) or null
  float* mean;                  // (R,) or null
  const float* bias = nullptr;  // (V rounded up to 32) of the vocabulary, padding zero; null: none
};
struct Backward {
  Forward f;                                // lse (and entropy, where g_entropy is given) as the forward pass left them
  const float* g;                           // (R,)
  const float *g_lse, *g_entropy, *g_mean;  // (R,) or null
  void* dhidden;                            // (R, H) rows layout; rows R .. round32(R) set to zero
  float* dweight;                           // (V, H) fp32 rows layout, added to; null: the head is frozen
  float* dbias = nullptr;                   // (V rounded up to 32), added to; wanted beside dweight alone
};
size_t forward_bytes(const Forward& f, int threads);
size_t backward_bytes(const Backward& b, int threads);
void forward(Team& team, const Forward& f, char* workspace);
void backward(Team& team, const Backward& b, char* workspace);

}  // namespace attune::logprob
