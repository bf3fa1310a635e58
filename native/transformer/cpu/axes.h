// The places of a network's logical dimensions in the padded, physical ones.
#pragma once
#include "base/layout.h"
#include "transformer/network/network.h"
#include <vector>

namespace attune {

// Heads are padded (attention.h: head_place), gate and up take turns by 16 columns (swiglu.h).
struct Axes {
  long H, I, U, V, D, C,
      Q;  // hidden, inner, gate|up (2 I; of an encoder up alone, I), vocabulary, head, all of q|k|v, all query heads: physical
  std::vector<int> query, key, value;  // outputs of q_proj … -> columns of qkv
  std::vector<int> attended;           // inputs of o_proj -> columns of attended
  std::vector<int> gate, up;           // outputs of gate_proj, up_proj -> columns of gate_up
  std::vector<int> head;               // dimensions of one head -> its physical columns
  explicit Axes(const Network& network);
};

}  // namespace attune
