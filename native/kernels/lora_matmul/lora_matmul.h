// lora_matmul: one linear layer, or several that share their input (q|k|v, gate|up), with low-rank adapters, as one operation.
//
//   P  (M, R) = s X A^T                 Y  = X W^T + P B^T  (+ bias)
//   dP (M, R) = s dY B                  dX = dY W + dP A
//   dA (R, K) += dP^T X                 dB^T (R, N) += P^T dY
//
// The adapters of a group are laid side by side in R (target t: ranks first[t] .. first[t] + rank), R rounded up to whole steps of 32; B is zero
// outside the columns of its target, and `window` tells the product which steps each 32-column panel needs. Two rank-16 adapters share a step.
// s = alpha / rank, or alpha / sqrt(rank) with rsLoRA (Hu et al. 2021; Kalajdzievski 2023).
#pragma once
#include "cpu/guard.h"
#include "kernels/matmul/matmul.h"
#include <vector>

namespace attune::lora_matmul {

struct Target {
  long rank = 0, first = 0;        // 0: this layer of the group has no adapter
  long columns = 0;                // logical outputs
  const int* column_at = nullptr;  // their places in the group's N
};

struct Group {
  long K = 0, N = 0, R = 0;       // physical
  long inputs = 0;                // logical K
  const int* input_at = nullptr;  // place of each logical input
  float scale = 0;
  std::vector<Target> targets;
  matmul::Weights a;  // (R, K)
  matmul::Weights b;  // (N, R)
  Bytes window;       // (2 N/32): steps of R per 32-column panel of Y
  Floats gradient_a;  // (R, K) rows layout
  Floats gradient_b;  // (R, N) rows layout: dB transposed
};

// Sets R, first, window and makes room. Targets with rank 0 are left out.
void prepare(Group& g, DType dtype, bool trainable);
// A (rank, inputs) and B (columns, rank) of target t, fp32 row-major, into the packings.
void pack(Group& g, int target, const float* A, const float* B);
// Gradients of target t in the same shapes, added up from the accumulators.
void gradient(const Group& g, int target, float* dA, float* dB);

// P (or dP) for rows first .. last. x: (M, columns), K (or N) columns from `from` on.
void down(const Group& g, const void* x, long columns, long from, void* P, long first, long last, float* workspace);
void down_backward(const Group& g, const void* dy, long columns, long from, void* dP, long first, long last, float* workspace);
// The low-rank term of a forward or backward product.
matmul::LowRank forward_term(const Group& g, const void* P);
matmul::LowRank backward_term(const Group& g, const void* dP);
// The gradient products as tasks of the team: task list of (contract, from, to), each a complete sum.
struct GradientTask {
  matmul::Contract contract;
  long from, to;
};
void gradient_tasks(Group& g, const void* x, long x_columns, long x_from, const void* dP, const void* P, const void* dy, long dy_columns,
                    long dy_from, long M, std::vector<GradientTask>& out);

}  // namespace attune::lora_matmul
