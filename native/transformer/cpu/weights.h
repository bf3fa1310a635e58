// The weights of a network in the CPU's packings, and where each tensor of a checkpoint lies in them: the one table that loading, training,
// adapters and the sums of memory read.
#pragma once
#include "cpu/threads.h"
#include "kernels/matmul/matmul.h"
#include "transformer/cpu/axes.h"
#include "transformer/engine.h"
#include <functional>

namespace attune {

struct Matrix {
  matmul::Weights w;            // (N, K)
  std::vector<float> gradient;  // (N, K) rows layout; empty: frozen
};
struct Vector {
  std::vector<float> w, gradient;  // physical, padding zero; empty: there is none, or it is frozen
};
struct Norm {
  Vector w, b;
};

// A tensor of the checkpoint in its place.
struct Placed {
  const NetworkTensor* tensor = nullptr;
  Extent extent{0, 0};       // logical (outputs, inputs), or (numbers, 0)
  Matrix* matrix = nullptr;  // one of both
  Vector* vector = nullptr;
  std::vector<int> row_at;  // logical -> physical rows, or numbers of a vector; empty: the same
  const int* column_at = nullptr;
  const int* rows() const { return row_at.empty() ? nullptr : row_at.data(); }
};

// y = x W^T (+ bias) (+ adapter): linear layers that share their input.
struct Linear {
  std::vector<const Placed*> parts;
  Matrix weight;
  Vector bias;
};
struct Layer {
  Norm norm[kNorms];
  Linear group[kGroups];
};

class Weights {
 public:
  Weights(const Network& network, const Axes& axes, const Options& options, Team& team, std::function<void()> check_stop);
  Weights(const Weights&) = delete;
  // Reads and packs the checkpoint's tensors. Throws `tensor_missing`, `tensor_shape`, `tensor_file`, `tensor_not_finite`.
  void load(const Tensors& tensors);
  // The numbers of a tensor as stored, fp32 (where all weights are trained).
  void read_stored(const Tensors& tensors, const NetworkTensor& tensor, std::vector<float>& out) const;
  const std::vector<Placed>& placed() const { return placed_; }
  // What each token's row is taken from: the vocabulary's matrix where both are one.
  const Matrix& words() const { return tied_ ? vocabulary : separate_words; }
  Matrix& words() { return tied_ ? vocabulary : separate_words; }
  // Calls f(Matrix&) and f(Vector&) with all that there is.
  template <class F> void each(F&& f) {
    for (Matrix* m : {&vocabulary, &separate_words, &positions, &types}) f(*m);
    f(vocabulary_bias);
    for (Layer& l : layers) {
      for (Norm& n : l.norm) f(n.w), f(n.b);
      for (Linear& g : l.group) f(g.weight), f(g.bias);
    }
  }

  std::vector<Layer> layers;  // and behind them what the head has: norms, dense layer (block.h)
  Matrix vocabulary;          // (V, H) that logits are made with
  Matrix separate_words, positions, types;
  Vector vocabulary_bias;

 private:
  void allocate();
  void place(const NetworkTensor& t);
  void resolve(Placed& p, Place place, long layer, bool bias);
  void load_matrix(const StoredTensor& t, const Placed& p);
  void load_vector(const StoredTensor& t, const Placed& p);
  const Network& network_;
  const Axes& axes_;
  const Options& options_;
  Team& team_;
  std::function<void()> check_stop_;
  bool tied_;
  std::vector<Placed> placed_;
};

}  // namespace attune
