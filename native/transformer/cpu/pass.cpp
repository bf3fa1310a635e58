// What comes before the layers and between them: a batch taken, its positions turned to angles, its tokens numbered, room made.
#include "transformer/cpu/pass.h"
#include "base/error.h"
#include <algorithm>
#include <cstring>
#include <numeric>

namespace attune {

Pass::Pass(const Network& network, const Options& options, const Axes& axes, Weights& weights, Team& team, std::function<void()> check_stop)
    : network_(network),
      options_(options),
      axes_(axes),
      weights_(weights),
      team_(team),
      check_stop_(std::move(check_stop)),
      head_(network.layers),
      head_norms_(network.head_norms()),
      angles_(network, axes.D),
      buffers_(network, options, axes) {}

void Pass::start(const Batch& batch, const ForwardOptions& o, Set& set) {
  check_batch(network_, batch, o);
  set_ = &set;
  batch_ = batch, forward_ = o;
  if (set_->dropout == 0) forward_.dropout = false;
  number_tokens();
  const long N = batch_.N();
  buffers_.room(N, forward_.keep);
  for (long i = 0; i < network_.layers; i++)
    for (int g = 0; g < kGroups; g++) buffers_.kept(i).low[g].reserve(buffers_.bytes(N, factors(i, g) ? factors(i, g)->R : 0));
  if (forward_.dropout) dropped_.reserve(buffers_.bytes(N, widest()));
  if (forward_.dropout || !network_.gated) scratch_.reserve(buffers_.bytes(team_.size() * kRunRows, widest()));
  work_.reserve(team_.size() * matmul::workspace_floats() * 4);
}

// Each token's place in its sequence, and for dropout its identity: of its sequence, and its position in it. However a batch is made up, a token's
// mask is its own.
void Pass::number_tokens() {
  places_.clear(), token_keys_.clear();
  const bool each = long(batch_.keys.size()) == batch_.N();
  for (size_t s = 0; s + 1 < batch_.starts.size(); s++)
    for (int t = batch_.starts[s]; t < batch_.starts[s + 1]; t++) {
      places_.push_back(batch_.positions.empty() ? t - batch_.starts[s] : batch_.positions[t]);
      if (!forward_.dropout) continue;
      const int key = batch_.keys.empty() ? int(s) : batch_.keys[each ? t : s];
      token_keys_.push_back(uint64_t(key) << 32 | uint32_t(places_.back()));
    }
}

void Pass::run() {
  std::vector<int> lengths(batch_.N());
  for (size_t s = 0; s + 1 < batch_.starts.size(); s++)
    std::fill(lengths.begin() + batch_.starts[s], lengths.begin() + batch_.starts[s + 1], batch_.starts[s + 1] - batch_.starts[s]);
  angles_.turn(places_, lengths);
  layers();
}

void Pass::run_cached(const CachedRows& rows, const PagedCache& cache) {
  angles_.turn(rows.positions, rows.lengths);
  struct Reading {
    Pass& pass;
    ~Reading() { pass.cached_ = nullptr, pass.cache_ = nullptr; }
  } reading{*this};
  cached_ = &rows, cache_ = &cache;
  layers();
}

void Pass::layers() {
  embed(buffers_.list().input);
  with_block(network_, [&](auto block) {
    for (long i = 0; i < network_.layers; i++) check_stop_(), block.forward(*this, i);
  });
}

const char* Pass::head(std::vector<int> rows, long logits) {
  head_at_ = std::move(rows), head_logits_ = logits;
  const long R = long(head_at_.size());
  buffers_.head_room(R);
  if (const lora_matmul::Group* g = factors(head_, kDense)) buffers_.kept(head_).low[kDense].reserve(buffers_.bytes(R, g->R));
  head_keys_.clear();
  if (forward_.dropout)
    for (const int row : head_at_) head_keys_.push_back(token_keys_[row]);
  // What is divided in the weights of the last norm divides the logits, before anything is rounded.
  logit_norm_ = weights_.layers[head_].norm[kLastNorm].w.w;
  if (forward_.temperature != 1)
    for (float& v : logit_norm_) v /= forward_.temperature;
  with_block(network_, [&](auto block) { block.head(*this, head_); });
  return at(head_, buffers_.list().head_out);
}

char* Pass::head_gradient() {
  buffers_.head_back_room(long(head_at_.size()));
  return at(head_, buffers_.list().head_gradient);
}

void Pass::backward() {
  const long N = batch_.N(), R = long(head_at_.size());
  const int d = buffers_.list().input_gradient;
  buffers_.back_room(N);
  for (long i = 0; i <= network_.layers; i++)
    for (int g = 0; g < kGroups; g++)
      if (const lora_matmul::Group* f = factors(i, g)) dlow_[g].reserve(buffers_.bytes(i == head_ ? R : N, f->R));
  if (N) memset(at(0, d), 0, buffers_.bytes(N, axes_.H));
  with_block(network_, [&](auto block) {
    block.head_back(*this, head_);
    scatter_head_gradient(d);
    for (long i = network_.layers - 1; i >= 0; i--) {
      check_stop_();
      // Recomputed into the output buffer of this layer: it is the input of the one above, which is done.
      if (options_.recompute) block.forward(*this, i);
      block.backward(*this, i);
    }
  });
  if (options_.train == Train::all) embed_back(d);
}

void Pass::forget(const Set& set, Set& base) {
  if (set_ == &set) set_ = &base;
}

long Pass::widest() const { return std::max({axes_.H, axes_.Q, axes_.U, axes_.C}); }

void Pass::add_memory(std::map<std::string, size_t>& m) const {
  m["activations"] += buffers_.activation_bytes();
  m["workspace"] += buffers_.workspace_bytes() + angles_.bytes();
  for (const Memory* x : {&dropped_, &scratch_, &work_, &attention_work_, &embedded_[0], &embedded_[1]}) m["workspace"] += x->bytes();
  for (const Memory& x : dlow_) m["workspace"] += x.bytes();
}

}  // namespace attune
