// What a network is, apart from any device: its sizes and the facts by which families differ.
#pragma once
#include "kernels/rotary/rotary.h"
#include "kernels/swiglu/swiglu.h"
#include <vector>

namespace attune {

struct Network {
  long vocabulary = 0, hidden = 0, inner = 0, layers = 0, heads = 0, kv_heads = 0, head_size = 0;
  float eps = 1e-6f;
  long context = 0;
  bool tied = false;
  bool query_key_value_bias = false, output_bias = false, mlp_bias = false;
  bool query_key_norm = false;
  std::vector<long> windows;  // (layers) tokens that a query sees, 0: all
  rotary::Config rotary;      // of decoders
  bool encoder = false;       // of the BERT family: cpu/encoder.h says how it differs
  long types = 0;             // rows of the token type embedding
  swiglu::Activation activation = swiglu::Activation::silu;
};

}  // namespace attune
