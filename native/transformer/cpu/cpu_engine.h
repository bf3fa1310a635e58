// The engine of the CPU: packed weights, sets of trained tensors, one batch at a time through blocks, and the heads behind them.
#pragma once
#include "kernels/logprob/candidates.h"
#include "kernels/score/score.h"
#include "transformer/cpu/pass.h"

namespace attune {

class CpuEngine : public Engine {
 public:
  CpuEngine(const Network& network, const Options& options, const Tensors& tensors, const std::atomic<bool>& stop);

  void set_adapter(const Adapter& adapter) override;
  void remove_adapter(const std::string& name) override;
  long identity(const std::string& adapter) override { return sets_.find(adapter).identity; }
  void set_head(const std::string& adapter, const std::vector<float>& w) override;
  std::vector<float> head(const std::string& adapter) override { return sets_.head(sets_.find(adapter)); }

  void forward(const Batch& batch, const ForwardOptions& options, Outputs& out) override;
  void backward(const Gradients& gradient) override;
  void zero_gradients(const std::string& adapter) override { sets_.zero_gradients(sets_.find(adapter)); }
  double gradient_norm(const std::string& adapter) override { return sets_.find(adapter).parameters.gradient_norm(team_); }
  void step(const std::string& adapter, const adamw::Step& s) override;

  std::map<std::string, std::vector<NamedShape>> parameters() const override { return sets_.shapes(); }
  long revision() const override { return sets_.revision(); }
  std::vector<float> read(const std::string& adapter, const std::string& name, ParameterPart part) override;
  void write(const std::string& adapter, const std::string& name, ParameterPart part, const std::vector<float>& values) override;

  std::unique_ptr<Cache> cache(double pages, double beside, const char* what) const override;
  void run_cached(const CachedRows& rows, Cache& cache) override;
  void logits(const std::vector<int>& rows, std::vector<float>& out) override;
  std::vector<sample::Choice> choose(const Draws& draws) override;

  std::map<std::string, size_t> memory() const override;

 private:
  void check_stop() const;
  void start(const Batch& batch, const ForwardOptions& options);
  void let_go(const Set& gone, const char* why);
  // heads.cpp
  std::vector<int> head_rows() const;
  void give_outputs(Outputs& out);
  void give_other_ids(Outputs& out);
  logprob::Forward vocabulary_arguments(Outputs& out);
  logprob::Candidates candidate_arguments(Outputs& out);
  score::Rows score_arguments() const;
  void vocabulary_back(const Gradients& g, char* d);

  const Network network_;
  const Options options_;
  const Axes axes_;
  const std::atomic<bool>& stop_;
  GiveBack give_back_;  // before all that is freed
  Team team_;
  Weights weights_;
  Sets sets_;
  Pass pass_;

  // The pass that ran last: its buffers belong to its batch and its set, and only as a whole may it be gone back through.
  PassState state_;
  std::vector<int> rows_, targets_;  // positions with a target, and the targets
  const char* head_out_ = nullptr;   // (R, H): rows_, then from a block of their own those with a score
  Outputs kept_outputs_;
  Memory head_work_;
  std::vector<float> choice_logits_;  // (rows, V) that were drawn from last
};

// Bytes of the keys and values in `pages` of a cache.
double cache_bytes(const Network& network, const Axes& axes, DType dtype, double pages);

}  // namespace attune
