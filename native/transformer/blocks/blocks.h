// The blocks that there are, and which one a network is made of: the one place that asks.
#pragma once
#include "transformer/blocks/decoder.h"
#include "transformer/blocks/encoder.h"
#include "transformer/network/network.h"

namespace attune {

// Calls f(block) with the network's block.
template <class F> auto with_block(const Network& n, F&& f) { return n.norm_place == NormPlace::after ? f(Encoder{}) : f(Decoder{}); }

// A block's buffers, and those that are met outside of it, by number.
struct BufferList {
  const Buffer* all;
  int count;
  int input, input_gradient;  // of a layer
  int head_out, head_gradient;
};
inline BufferList buffer_list(const Network& n) {
  return with_block(n, [](auto block) -> BufferList {
    using B = decltype(block);
    return {B::buffers, B::buffers_count, B::layer_in, B::d_layer, B::head_out, B::d_head};
  });
}

}  // namespace attune
