// What a network is, apart from any device: its sizes, the facts by which families differ, and the table of its tensors. A family is a file of
// lib/network/families, which makes this data; nothing here or below asks for a family by its name.
#pragma once
#include "kernels/rotary/rotary.h"
#include "kernels/swiglu/swiglu.h"
#include <string>
#include <vector>

namespace attune {

enum class NormKind : int { rms, layer };
// Where a block's norms stand: before attention and MLP (the residual is what the norm reads), or after each sum (the residual is the normed row).
enum class NormPlace : int { before, after };
enum class PositionKind : int { rotary, table };

// Where a tensor goes. Of a layer: norm1 and norm2 stand before attention and before the MLP; where norms come after the sums, a layer begins
// with the norm that ends the one before it (of the first: the embedding's). last_norm is the one behind the last layer.
enum class Place : int {
  words,
  positions,
  types,
  norm1,
  query,
  key,
  value,
  query_norm,
  key_norm,
  output,
  norm2,
  gate,
  up,
  down,
  last_norm,
  head_dense,
  head_norm,
  vocabulary,
};

// One tensor of a checkpoint.
struct NetworkTensor {
  std::string name;           // "model.layers.0.self_attn.q_proj.weight"
  std::vector<Place> places;  // several: fused, its rows are those of the places one after the other
  long layer = 0;             // of places that each layer has
  bool bias = false;          // of a linear layer, a norm or the vocabulary
  bool transposed = false;    // stored (inputs, outputs)
};

struct Network {
  long vocabulary = 0, hidden = 0, inner = 0, layers = 0, heads = 0, kv_heads = 0, head_size = 0;
  float eps = 1e-6f;
  long context = 0;  // rows of the position table, where there is one
  long types = 0;    // rows of the token type embedding; 0: none
  NormKind norm = NormKind::rms;
  NormPlace norm_place = NormPlace::before;
  swiglu::Activation activation = swiglu::Activation::silu;
  bool gated = true;   // the MLP is down(f(gate x) * up x), otherwise down(f(up x))
  bool causal = true;  // a token sees those before it; otherwise all of its sequence
  PositionKind positions = PositionKind::rotary;
  rotary::Config rotary;
  std::vector<long> windows;           // (layers) tokens that a query sees, 0: all
  std::vector<NetworkTensor> tensors;  // in the order in which they are trained

  bool has(Place place) const;
  bool tied() const { return !has(Place::vocabulary); }       // the head is the word embedding
  bool head_norms() const { return has(Place::query_norm); }  // queries and keys are normed, a head each
  bool writes() const { return causal && norm_place == NormPlace::before && positions == PositionKind::rotary; }
};

// Logical (outputs, inputs) of a matrix, or (numbers, 0) of a vector.
struct Extent {
  long rows, columns;
};
Extent extent(const Network& network, Place place, bool bias);
// Of the whole tensor, in the order of its file.
std::vector<long> stored_shape(const Network& network, const NetworkTensor& tensor);
// Throws `model_arguments` where a place is missing, filled twice, or of a layer that is not there.
void check_tensors(const Network& network);

}  // namespace attune
