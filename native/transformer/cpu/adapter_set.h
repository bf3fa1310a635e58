// Adapters as the engine holds them.
#pragma once
#include "kernels/lora_matmul/lora_matmul.h"
#include "transformer/cpu/parameters.h"
#include <array>
#include <string>
#include <vector>

namespace attune {

// score = w . normed row: the scalar head of a reward or value model.
struct Head {
  std::vector<float> w, gradient;  // (H) physical; empty: no head
};

// Low-rank factors over the shared base, what is trained of them, and a head. Several live beside each other: a policy, a reference, a reward
// model on one base cost the base once. The set without low-rank factors is the base itself.
struct AdapterSet {
  long identity = 0;
  float scale = 1, dropout = 0;
  bool trained = false;
  // A layer each, R == 0 where a group has none; behind them, first of its four, the dense layer of an encoder's head. Empty: the base.
  std::vector<std::array<lora_matmul::Group, 4>> groups;
  Parameters parameters;
  Head head;
};

}  // namespace attune
