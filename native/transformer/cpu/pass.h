// One batch on its way through the network, and back: the buffers of a block, and the pieces that blocks are told in (blocks/block.h).
//
// Every matrix is in the rows layout, in fp32 or bf16 (Options::dtype); one code for both, the kernels choose. Between two meetings of the team each
// thread takes its own rows through a run of pieces, 256 at a time, so that normed rows, activations and panels share its L2.
// Symbols: N tokens, M = N rounded up to 32, R rows that a head reads, H hidden, I inner, C = (heads + 2 kv_heads) D, Q = heads D.
#pragma once
#include "cpu/memory.h"
#include "kernels/attention/attention.h"
#include "kernels/dropout/dropout.h"
#include "kernels/layer_norm/layer_norm.h"
#include "kernels/rms_norm/rms_norm.h"
#include "transformer/cpu/angles.h"
#include "transformer/cpu/buffers.h"
#include "transformer/cpu/paged_cache.h"
#include "transformer/cpu/sets.h"
#include <algorithm>

namespace attune {

// Rows first .. last of one thread.
struct Run {
  long first, last;
  int thread;
};

class Pass {
 public:
  Pass(const Network& network, const Options& options, const Axes& axes, Weights& weights, Team& team, std::function<void()> check_stop);

  // Takes the batch and makes room. Positions that the batch does not give are places in the sequences.
  void start(const Batch& batch, const ForwardOptions& options, Set& set);
  void run();
  // The same of rows at given positions, which write their keys and values to the cache, and read it where `rows` has pages.
  void run_cached(const CachedRows& rows, const PagedCache& cache);
  // The rows that a head reads, normed: (R, H). `logits` of them, the first, make logits: those are divided by the temperature.
  const char* head(std::vector<int> rows, long logits);
  // Room for the gradient of those rows, which goes in here; then through the head and all layers.
  char* head_gradient();
  void backward();

  const Batch& batch() const { return batch_; }
  const ForwardOptions& options() const { return forward_; }
  Set& set() const { return *set_; }
  // Whose buffers are the set's no longer: it is about to go.
  void forget(const Set& set, Set& base);
  float* workspace(int thread) { return work_.as<float>() + thread * matmul::workspace_floats(); }
  void add_memory(std::map<std::string, size_t>& by_part) const;

  // ---- pieces.cpp, pieces_back.cpp
  template <class F> void rows(F&& f) { runs(batch_.N(), f); }
  template <class F> void head_rows(F&& f) { runs(long(head_at_.size()), f); }
  bool has_head_norms() const { return head_norms_; }
  bool trains(long i, int group) const { return options_.train == Train::all || (factors(i, group) && set_->trained); }
  bool trains_below(long i) const { return i || options_.train == Train::all; }
  void embed(int y);
  void gather(Run run, int y);
  void norm(Run run, long i, int which, int x, int y);
  void head_norms(Run run, long i, int qkv, int y);
  void linear(Run run, long i, int group, int x, int y);
  void linear_add(Run run, long i, int group, int x, int residual, int y);
  void linear_gated(Run run, long i, int x, int up, int y);
  void activate(Run run, long i, int x, int y);
  void attention(long i, int qkv, int y);
  void norm_back(Run run, long i, int which, int x, int dy, int beside, int dx);
  void linear_back(Run run, long i, int group, int dy, int beside, int dx);
  void linear_gated_back(Run run, long i, int dy, int up, int y);
  void activate_back(Run run, long i, int x, int dy, int dx);
  void attention_back(long i, int qkv, int y, int dy, int dqkv);
  void head_norms_back(long i, int qkv, int dqkv);
  void embed_back(int d);
  void norm_gradient(long i, int which, int x, int dy);
  void linear_gradient(long i, int group, int x, int dy);
  void run_gradients();

 private:
  // Tokens per run: normed rows, activation and panels of a layer share a 2 MiB L2 (256 x (576 + 1536) x 2 B + panels for SmolLM2-135M).
  static constexpr long kRunRows = 256;
  template <class F> void runs(long rows, F& f) {
    team_.rows(rows, [&](long first, long last, int thread) {
      for (long m = first; m < last; m += kRunRows) f(Run{m, std::min(last, m + kRunRows), thread});
    });
  }
  void number_tokens();
  void layers();
  void scatter_head_gradient(int d);
  long rows_of(long i) const { return i == head_ ? long(head_at_.size()) : batch_.N(); }
  char* at(long i, int buffer) { return buffers_.at(i, buffer); }
  // The active set's factors for a group, null where it has none.
  lora_matmul::Group* factors(long i, int group) const {
    return set_->groups.empty() || !set_->groups[i][group].R ? nullptr : &set_->groups[i][group];
  }
  matmul::Product product(const Linear& l, bool transposed, const void* a, matmul::Finish finish, void* c, long c_columns) const;
  void low_rank(Run run, long i, int group, const void* x);
  void low_rank_back(Run run, long i, int group, const void* dy);
  void product_forward(Run run, long i, int group, matmul::Product p);
  void product_back(Run run, long i, int group, matmul::Product p);
  void ungated_back(Run run, char* up, char* y);
  void add_dropped_term(Run run, long i, int group, void* dx);
  void* scratch_rows(Run run, long columns);
  long widest() const;
  dropout::Site site(long i, int group) const;
  attention::Shape attention_shape(long i) const;
  bool attend_cached(long i, const void* qkv, void* out);
  rms_norm::Forward rms(long i, int which, const void* x, void* y);
  layer_norm::Forward mean_and_variance(long i, int which, const void* x, void* y);
  rms_norm::Forward head_rms(long i, int which, const void* qkv, void* y);
  void last_norm(Run run, rms_norm::Forward f) const;
  void last_norm_back(Run run, const rms_norm::Backward& b) const;
  void last_norm_gradient(const rms_norm::Backward& b);
  void rms_gradient(const rms_norm::Backward& b, long rows, std::vector<float>& gradient);
  void whole_gradients(Linear& l, const void* x, const void* dy, long rows);
  void low_rank_gradients(long i, int group, const void* x, const void* dy, long rows);
  void zero_tail(void* x, long columns, long rows) const;

  const Network& network_;
  const Options& options_;
  const Axes& axes_;
  Weights& weights_;
  Team& team_;
  std::function<void()> check_stop_;
  const long head_;  // the number behind the layers'
  const bool head_norms_;
  Angles angles_;
  Buffers buffers_;

  Batch batch_;
  ForwardOptions forward_;
  Set* set_ = nullptr;
  const CachedRows* cached_ = nullptr;  // set while rows with a cache run through the layers
  const PagedCache* cache_ = nullptr;
  std::vector<uint64_t> token_keys_, head_keys_;  // for dropout: sequence and position
  std::vector<int> places_, zeros_;               // of position and type embeddings
  std::vector<int> head_at_;                      // (R) rows that a head reads
  long head_logits_ = 0;                          // of them, the first
  std::vector<float> logit_norm_;                 // weights of the last norm over the temperature
  Memory dlow_[kGroups], dropped_, scratch_, work_, attention_work_, embedded_[2];
  std::vector<lora_matmul::GradientTask> gradient_tasks_;
};

}  // namespace attune
