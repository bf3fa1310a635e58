// The shape of a network and the places of its logical dimensions in the padded, physical ones.
#pragma once
#include "base/layout.h"
#include "kernels/rotary/rotary.h"
#include "kernels/swiglu/swiglu.h"
#include <string>
#include <vector>

namespace attune {

struct Config {
  long vocabulary = 0, hidden = 0, inner = 0, layers = 0, heads = 0, kv_heads = 0, head_size = 0;
  float eps = 1e-6f;
  long context = 0;
  bool tied = false;
  bool query_key_value_bias = false, output_bias = false, mlp_bias = false;
  bool query_key_norm = false;
  std::vector<long> windows;  // (layers) tokens that a query sees, 0: all
  rotary::Config rotary;      // of decoders
  bool encoder = false;       // of the BERT family: encoder.h says how it differs
  long types = 0;             // rows of the token type embedding
  swiglu::Activation activation = swiglu::Activation::silu;
};

enum class Train : int { none, adapter, all };

struct Options {
  DType dtype = DType::f32;
  int threads = 0;  // 0: one per CPU
  Train train = Train::none;
  bool recompute = false;  // keep only the input of each layer for the backward pass
};

// A tensor in a file, row-major, little-endian.
struct StoredTensor {
  std::string name, path;
  long offset = 0;
  Stored stored = Stored::f32;
  std::vector<long> shape;
};

using Tensors = std::vector<StoredTensor>;

// Physical sizes and the maps from logical to physical. Heads are padded (attention.h: head_place), gate and up take turns by 16 columns (swiglu.h).
struct Axes {
  long H, I, U, V, D, C,
      Q;  // hidden, inner, gate|up (2 I; of an encoder up alone, I), vocabulary, head, all of q|k|v, all query heads: physical
  std::vector<int> query, key, value;  // outputs of q_proj … -> columns of qkv
  std::vector<int> attended;           // inputs of o_proj -> columns of attended
  std::vector<int> gate, up;           // outputs of gate_proj, up_proj -> columns of gate_up
  std::vector<int> head;               // dimensions of one head -> its physical columns
  explicit Axes(const Config& c);
};

}  // namespace attune
