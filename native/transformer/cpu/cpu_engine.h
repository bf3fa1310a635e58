// The transformer: parameters, forward, backward, adapters, generation. A story in the order it runs:
//
//   ids -> embedding -> [ norm -> q|k|v -> (head norms) -> attention -> o + residual -> norm -> gate|up -> SwiGLU -> down + residual ] x layers
//       -> norm (only the rows with a target) -> logprob
//
// Encoders of the BERT family go the same way with other pieces: encoder.h.
//
// Every matrix is in the rows layout, in fp32 or bf16 (Options::dtype); one code for both, the kernels choose. Between two meetings of the team each
// thread takes its own rows through a run of layers, 256 at a time, so that normed rows, activations and panels share its L2.
// Symbols: N tokens, M = N rounded up to 32, H hidden, I inner, C = (heads + 2 kv_heads) D, Q = heads D, R ranks of a group, V vocabulary.
#pragma once
#include "cpu/memory.h"
#include "cpu/threads.h"
#include "kernels/attention/attention.h"
#include "kernels/dropout/dropout.h"
#include "kernels/logprob/candidates.h"
#include "kernels/lora_matmul/lora_matmul.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/score/score.h"
#include "transformer/cpu/adapter_set.h"
#include "transformer/cpu/axes.h"
#include "transformer/cpu/encoder.h"
#include "transformer/cpu/layer.h"
#include "transformer/cpu/paged_cache.h"
#include "transformer/cpu/parameters.h"
#include "transformer/engine.h"
#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <optional>

namespace attune {

class CpuEngine : public Engine {
 public:
  CpuEngine(const Network& network, const Options& options, const Tensors& tensors, const std::atomic<bool>& stop);

  void set_adapter(const Adapter& adapter) override;
  void remove_adapter(const std::string& name) override;
  long identity(const std::string& adapter) override { return set(adapter).identity; }
  void set_head(const std::string& adapter, const std::vector<float>& w) override;
  std::vector<float> head(const std::string& adapter) override;

  void forward(const Batch& batch, const ForwardOptions& options, Outputs& out) override;
  void backward(const Gradients& gradient) override;
  void zero_gradients(const std::string& adapter) override;
  double gradient_norm(const std::string& adapter) override { return set(adapter).parameters.gradient_norm(team); }
  void step(const std::string& adapter, const adamw::Step& s) override;

  std::map<std::string, std::vector<NamedShape>> parameters() const override;
  long revision() const override { return revision_; }
  std::vector<float> read(const std::string& adapter, const std::string& name, ParameterPart part) override;
  void write(const std::string& adapter, const std::string& name, ParameterPart part, const std::vector<float>& values) override;

  std::unique_ptr<Cache> cache(double pages, double beside, const char* what) const override;
  void run_cached(const CachedRows& rows, Cache& cache) override;
  void logits(const std::vector<int>& rows, std::vector<float>& out) override;
  std::vector<sample::Choice> choose(const Draws& draws) override;

  std::map<std::string, size_t> memory() const override;

 private:
  const Network network;
  const Options options;
  const Axes axes;
  GiveBack give_back;  // before all that is freed
  Team team;
  void check_stop() const;
  // load.cpp
  void build();
  void build_decoder();
  void allocate_group(Linear& g, long N, long K);
  void load(const Tensors& tensors);
  void load_group(const Tensors& tensors, Linear& g);
  void load_named(const Tensors& tensors, const std::string& name, long rows, long columns, matmul::Weights& w, const int* row_at = nullptr,
                  const int* column_at = nullptr);
  std::vector<float> load_named(const Tensors& tensors, const std::string& name, long count, const std::vector<int>* at, long size) const;
  void load_matrix(const StoredTensor& t, matmul::Weights& w, const int* row_at, const int* column_at);
  std::vector<float> load_vector(const StoredTensor& t, const std::vector<int>* at, long size) const;
  void train_all(const Tensors& tensors);
  void train_decoder();
  void train_group(Linear& g);
  void fill_masters(const Tensors& tensors);
  std::unique_ptr<AdapterSet> make_set(const Adapter& adapter) const;
  void make_group(AdapterSet& set, const Adapter& adapter, std::map<std::string, const AdapterTarget*>& wanted, long i, int group) const;
  void give_head(AdapterSet& set, const std::vector<float>& w);
  static void train_adapter(AdapterSet& set, lora_matmul::Group& g, const Part& part, size_t target, const AdapterTarget& a);
  AdapterSet& set(const std::string& adapter);
  bool trained(const AdapterSet& s) const { return &s == &base_ ? options.train == Train::all : s.trained; }
  // The pass that was kept cannot be gone back through any more.
  void lose_pass(const char* why);
  void train_matrix(const std::string& name, matmul::Weights& w, std::vector<float>& gradient, long rows, long columns, const int* row_at,
                    const int* column_at);
  void train_norm(const std::string& name, Norm& n, const int* at, long count);
  void train_vector(const std::string& name, std::vector<float>& w, std::vector<float>& gradient, const int* at, long count);
  std::vector<float> gradient_of(const Parameter& p) const;
  // batch.cpp
  void start(const Batch& batch, const ForwardOptions& o);
  void number_tokens();
  void room(long N);
  void rotary_of_sequences();
  void rotary_tables(const std::vector<int>& positions, const std::vector<int>& lengths);
  // forward.cpp
  void run_layers();
  void embed();
  void forward_layer(long i, Kept& kept, const void* in, void* out);
  void norm_and_qkv(long i, Kept& kept, const void* in);
  void norm_heads(long i, Kept& kept, long first, long last);
  void attend(long i, Kept& kept);
  // cached.cpp
  bool attend_cached(long i, const void* qkv, void* out);
  void output_and_mlp(long i, Kept& kept, const void* in, void* out);
  void low_rank(long i, int group, const void* x, Memory& p, long first, long last, int thread);
  void last_norm(const std::vector<int>& rows);
  long logit_rows(long rows) const;
  std::vector<float> logit_norm() const;
  std::vector<int> head_rows() const;
  score::Rows score_arguments() const;
  logprob::Forward head_arguments(Outputs& out);
  logprob::Candidates candidate_arguments(Outputs& out);
  void other_ids(Outputs& out);
  // encoder_load.cpp, encoder.cpp
  void build_encoder();
  void load_encoder(const Tensors& tensors);
  void train_encoder();
  void check_encoder(const Batch& batch, const ForwardOptions& o) const;
  void encoder_embed();
  layer_norm::Forward encoder_norm(const Norm& n, const void* x, void* y, const Memory& mean, const Memory& inverse) const;
  void encoder_output_and_mlp(long i, Kept& kept, void* out);
  void encoder_head(const std::vector<int>& rows);
  void add_vocabulary_bias(std::vector<float>& logits) const;
  // encoder_backward.cpp
  void encoder_norm_gradient(const layer_norm::Forward& f, const void* dy, long M, Norm& n);
  void encoder_backward_head(long rows);
  void encoder_backward_mlp_and_output(long i, Kept& kept);
  void encoder_backward_qkv(long i, Kept& kept, const void* in);
  void encoder_backward_norm1(long i, Kept& kept, const void* in);
  void encoder_embedding_gradients();
  // backward.cpp
  void check_gradients(const Gradients& g) const;
  void backward_head(const Gradients& gradient);
  void backward_vocabulary(const Gradients& gradient);
  void backward_last_norm(long rows);
  void last_norm_gradient(const rms_norm::Backward& n, long rows);
  void backward_layer(long i, Kept& kept, const void* in);
  void backward_mlp_and_output(long i, Kept& kept);
  void backward_attention(long i, Kept& kept);
  void backward_qkv(long i, Kept& kept, const void* in);
  void backward_norm1(long i, Kept& kept, const void* in);
  void backward_low_rank(long i, int group, const void* dy, long first, long last, int thread);
  void back_product(long i, int group, matmul::Product p, long first, long last, int thread);
  void add_dropped_term(long i, int group, void* dx, long first, long last, int thread);
  // weight_gradients.cpp
  void weight_gradients(long i, Kept& kept);
  void whole_gradients(Linear& l, const void* x, const void* dy, long rows);
  void run_gradient_tasks();
  void linear_gradients(long i, int group, const void* x, void* dy, Kept& kept);
  void low_rank_gradients(long i, int group, const void* x, const void* dy, const Memory& low, long rows);
  void zero_tail(void* x, long columns, long rows) const;
  void norm_gradient(const rms_norm::Backward& b, long M, std::vector<float>& gradient);
  // helpers of both
  attention::Shape attention_shape(long i) const;
  matmul::Product product(const Linear& l, bool transposed, const void* a, matmul::Finish finish, void* c, long c_columns) const;
  matmul::LowRank low_term(long i, int group, const Memory& p, bool backward) const;
  // What an adapter may sit on, as AdapterSet::groups has it; null where there is no such layer.
  const Linear* linear(long i, int group) const {
    return i < network.layers ? &layers_[i].group[group] : group ? nullptr : &encoder_.dense;
  }
  // The active set's factors for a group, null where it has none.
  lora_matmul::Group* lora(long i, int group) const {
    return active_->groups.empty() || !active_->groups[i][group].R ? nullptr : &active_->groups[i][group];
  }
  rms_norm::Forward layer_norm(const Norm& n, const void* x, void* y, Memory& inverse) const;
  rms_norm::Forward head_norm(long i, Kept& kept, bool queries) const;
  dropout::Site site(long i, int group) const;
  void* scratch_rows(int thread, long first, long columns);
  long widest() const { return std::max({axes.H, axes.Q, axes.U, axes.C}); }
  bool trains(long i, int group) const { return options.train == Train::all || (lora(i, group) && active_->trained); }
  size_t bytes(long rows, long columns) const { return size_t(round32(rows)) * columns * bytes_of(options.dtype); }
  float* workspace(int thread) { return work_.as<float>() + thread * matmul::workspace_floats(); }

  std::vector<Layer> layers_;
  matmul::Weights embedding_, head_;  // embedding_ is empty when tied
  std::vector<float> embedding_gradient_, head_gradient_;
  Norm norm_;
  Encoder encoder_;  // where network.encoder
  AdapterSet base_;  // no factors: parameters and head where all weights are trained
  std::map<std::string, std::unique_ptr<AdapterSet>> adapters_;
  long last_identity_ = 0, revision_ = 0;
  const std::atomic<bool>& stop_;
  AdapterSet* active_ = &base_;  // of the batch in work

  // The batch in work.
  Batch batch_;
  const CachedRows* cached_ = nullptr;  // set while rows with a cache run through the layers
  const PagedCache* cache_ = nullptr;
  ForwardOptions forward_;
  bool can_backward_ = false;
  bool passed_ = false;              // the last pass went through: its rows can be asked for logits
  const char* why_lost_ = nullptr;   // the pass that was kept last
  std::vector<int> rows_, targets_;  // positions with a target, and the targets
  Memory cos_, sin_;                 // (M, D/2)
  std::vector<float> frequencies_;
  float attention_factor_ = 1;
  std::vector<float> table_cos_, table_sin_;  // rows of positions made so far (all kinds but dynamic)
  std::vector<Kept> kept_;                    // one a layer, or the first for all
  bool each_layer_ = false;
  std::vector<Memory> inputs_;        // (M, H): the input of each layer and of the last norm
  std::vector<uint64_t> token_keys_;  // (N) for dropout: sequence and position
  Memory normed1_, normed2_, act_, normed_qkv_, dropped_, scratch_;
  Memory compact_, compact_normed_, compact_inverse_;
  Outputs kept_outputs_;
  Memory dx_, dh_, dn_, dattended_, dqkv_, dlow_[4], dcompact_;
  std::vector<lora_matmul::GradientTask> gradient_tasks_;
  Memory work_, attention_work_, head_work_;
  std::vector<float> choice_logits_;  // (R, V) of the rows that were drawn from last
};

// Of the keys and values in `pages` of a cache.
double cache_bytes(const Network& network, const Axes& axes, DType dtype, double pages);

}  // namespace attune
