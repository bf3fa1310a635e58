// cos and sin of the position of each token of a batch, for rotary embedding.
#pragma once
#include "cpu/memory.h"
#include "transformer/network/network.h"
#include <vector>

namespace attune {

class Angles {
 public:
  Angles(const Network& network, long physical_head) : network_(network), half_(physical_head / 2) {}
  // Of N tokens; lengths: of the sequence of each (dynamic rotary turns by it).
  void turn(const std::vector<int>& positions, const std::vector<int>& lengths);
  const float* cos() const { return cos_.as<float>(); }  // (M, D/2); null where the network turns nothing
  const float* sin() const { return sin_.as<float>(); }
  size_t bytes() const { return cos_.bytes() + sin_.bytes(); }

 private:
  const Network& network_;
  const long half_;
  Memory cos_, sin_;
  Floats frequencies_;
  float factor_ = 1;
  Floats table_cos_, table_sin_;  // rows of positions made so far (all kinds but dynamic)
};

}  // namespace attune
