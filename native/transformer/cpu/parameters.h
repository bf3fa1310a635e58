// Trained tensors: fp32 values and AdamW moments in their logical shape, and where their gradients are gathered from (padded accumulators).
#pragma once
#include "cpu/threads.h"
#include "kernels/adamw/adamw.h"
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace attune {

struct Parameter {
  std::string name;
  long rows = 0, columns = 0;               // a vector is one row
  bool vector = false;                      // a norm's weight or a bias: never decayed, as transformers' Trainer has it
  std::vector<float> value, first, second;  // (rows, columns)
  std::function<void(long first, long last, float* out)> gather;  // gradient of rows first .. last
  long size() const { return rows * columns; }
};

class Parameters {
 public:
  // Values and moments start at zero. The reference stays valid until clear().
  Parameter& add(Parameter p);
  // A piece of bringing changed values to the network's packed weights; pieces run on several threads at once.
  void add_packer(std::function<void()> packer) { packers_.push_back(std::move(packer)); }
  void clear() { all_.clear(), chunks_.clear(), packers_.clear(); }
  Parameter& find(const std::string& name);
  std::deque<Parameter>& all() { return all_; }
  const std::deque<Parameter>& all() const { return all_; }

  // L2 over all tensors; sums of chunks in double, added in the order of the chunks: the same bits for any number of threads.
  double gradient_norm(Team& team);
  // One update of all tensors. `s.decay` acts on matrices (embeddings and score heads among them), not on vectors.
  void step(Team& team, const adamw::Step& s);
  void repack(Team& team);

 private:
  struct Chunk {
    size_t parameter;
    long first, last;
  };
  void split();
  std::deque<Parameter> all_;
  std::vector<Chunk> chunks_;
  std::vector<std::function<void()>> packers_;
};

}  // namespace attune
