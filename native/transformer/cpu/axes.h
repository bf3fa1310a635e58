// The places of a network's logical dimensions in the padded, physical ones of the CPU's matrices.
#pragma once
#include "base/layout.h"
#include "transformer/blocks/block.h"
#include "transformer/network/network.h"
#include <vector>

namespace attune {

// Heads are padded (attention.h: head_place), gate and up take turns by 16 columns (swiglu.h).
struct Axes {
  long H, I;                           // hidden, inner
  long U;                              // of the group kUp: gate|up, or up alone
  long V;                              // vocabulary
  long D;                              // a head
  long C;                              // q|k|v, all heads
  long Q;                              // all query heads
  std::vector<int> query, key, value;  // outputs of q_proj … -> columns of qkv
  std::vector<int> attended;           // inputs of o_proj -> columns of attended
  std::vector<int> attended_from;      // … and back, -1 of padding; empty: the same
  std::vector<int> gate, up;           // outputs of gate_proj, up_proj -> columns of gate|up; of `up` empty: the same
  std::vector<int> head;               // dimensions of one head -> its physical columns
  explicit Axes(const Network& network);
  long of(Width w) const;
  // Physical outputs (of them, and of the inputs) of a group.
  long outputs(int group) const { return group == kQkv ? C : group == kUp ? U : H; }
  long inputs(int group) const { return group == kO ? Q : group == kDown ? I : H; }
};

}  // namespace attune
