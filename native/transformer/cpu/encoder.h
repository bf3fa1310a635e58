// An encoder of the BERT family (Devlin et al. 2018): what it has beside a decoder's layers, and how the story goes.
//
//   word + position + type of each token
//       -> [ LayerNorm -> q|k|v -> attention over the whole sequence -> o + normed -> LayerNorm -> up -> GELU -> down + normed ] x layers
//       -> LayerNorm (only the rows with a target) -> dense -> GELU -> LayerNorm -> word embedding (V, H) + bias -> logprob
//
// The paper puts its norms after the sums; counted from sum to sum, each layer begins with the norm that ends the one before, and the residual is the
// normed row. So the buffers are a decoder's: inputs_[i] (M, H) is the sum before the norm, `Kept::gate_up` (M, I) what GELU is taken of.
// A row with a target predicts the id at its own place. Tokens are of type 0. Dropout of BERT's own (hidden_dropout_prob) is not applied.
#pragma once
#include "kernels/layer_norm/layer_norm.h"
#include "transformer/cpu/layer.h"

namespace attune {

struct Encoder {
  matmul::Weights positions, types;  // (context, H), (types, H)
  std::vector<float> positions_gradient, types_gradient;
  Linear dense;                            // (H, H) of the head; an adapter's factors for it: AdapterSet::groups behind the layers'
  Norm norm;                               // after its GELU
  std::vector<float> bias, bias_gradient;  // (V) of the vocabulary

  // The batch in work: (N) position and type of each token; (R, H) rows of the head.
  std::vector<int> places, zeros;
  Memory normed, summed, active, d;  // normed -> dense -> summed -> GELU -> active; d: a gradient
  Memory mean1, mean2, inverse2;     // (R) of the last layer's norm, and of the head's
  Memory low;                        // (R, ranks) of an adapter on dense
  std::vector<uint64_t> keys;        // (R) for dropout
};

}  // namespace attune
