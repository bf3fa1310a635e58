// What a layer is made of, and what the backward pass keeps of it.
#pragma once
#include "cpu/memory.h"
#include "kernels/matmul/matmul.h"
#include <string>
#include <vector>

namespace attune {

// One linear layer of the checkpoint inside a group that shares its input.
struct Part {
  std::string name;                // model.layers.0.self_attn.q_proj
  long outputs = 0, inputs = 0;    // logical
  const int* output_at = nullptr;  // logical -> physical, null: the same
  const int* input_at = nullptr;
  bool has_bias = false;
};

// y = x W^T (+ bias) (+ adapter): q|k|v, o, gate|up or down.
struct Linear {
  std::vector<Part> parts;
  matmul::Weights w;                 // (N, K)
  std::vector<float> bias;           // (N), empty: none
  std::vector<float> gradient;       // (N, K) rows layout, all weights trained
  std::vector<float> bias_gradient;  // (N)
};

struct Norm {
  std::vector<float> w;                 // physical, padding zero
  std::vector<float> gradient;          // empty: frozen
  std::vector<float> b, bias_gradient;  // of an encoder's; empty: none
};

// What the backward pass needs of one layer. With recomputation all layers share one.
struct Kept {
  Memory qkv, attended, h, gate_up;                 // (M, C), (M, Q), (M, H), (M, 2 I)
  Memory lse;                                       // (heads, N)
  Memory inverse1, inverse2, inverse_q, inverse_k;  // (M), (M), (M, heads), (M, kv_heads)
  Memory mean1, mean2;                              // (M) of an encoder
  Memory low[4];                                    // (M, R) of each group
};

struct Layer {
  Norm norm1, norm2, q_norm, k_norm;
  Linear group[4];  // see Groups
};
enum Groups : int { kQkv, kO, kGateUp, kDown };

}  // namespace attune
