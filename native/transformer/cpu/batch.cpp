// What comes before a pass: a batch taken, its positions turned to angles, its tokens numbered, room made.
#include "base/error.h"
#include "transformer/cpu/cpu_engine.h"
#include "transformer/cpu/passes.h"
#include <algorithm>

namespace attune {

// cos and sin of each token. All kinds but `dynamic` turn a position by the same angles in every sequence: those rows are made once and copied.
void CpuEngine::rotary_tables(const std::vector<int>& positions, const std::vector<int>& lengths) {
  const long half = axes.D / 2, N = long(positions.size());
  cos_.reserve(round32(N) * half * 4), sin_.reserve(round32(N) * half * 4);
  std::vector<float> f;
  float factor = 1;
  long made_for = -1;
  const bool dynamic = network.rotary.kind == rotary::Kind::dynamic;
  for (long t = 0; t < N; t++) {
    float *c = cos_.as<float>() + t * half, *s = sin_.as<float>() + t * half;
    if (dynamic) {
      if (made_for != lengths[t]) rotary::frequencies(network.rotary, made_for = lengths[t], f, factor);
      rotary::row(f, factor, positions[t], half, c, s);
      continue;
    }
    if (frequencies_.empty()) rotary::frequencies(network.rotary, 0, frequencies_, attention_factor_);
    for (long p = long(table_cos_.size()) / half; p <= positions[t]; p++) {
      table_cos_.resize((p + 1) * half), table_sin_.resize((p + 1) * half);
      rotary::row(frequencies_, attention_factor_, p, half, &table_cos_[p * half], &table_sin_[p * half]);
    }
    memcpy(c, &table_cos_[positions[t] * half], half * 4), memcpy(s, &table_sin_[positions[t] * half], half * 4);
  }
}

// Tokens at the positions that the batch gives, or at their places in their sequences.
void CpuEngine::rotary_of_sequences() {
  if (network.encoder) return;
  if (!batch_.positions.empty() && network.rotary.kind == rotary::Kind::dynamic)
    throw Error("model_arguments",
                "positions: rotary embedding of kind 'dynamic' turns by the length of a whole sequence; leave positions, "
                "hiddenFrom and hiddenTo out");
  std::vector<int> positions = batch_.positions, lengths(batch_.N());
  for (size_t s = 0; s + 1 < batch_.starts.size(); s++)
    for (int t = batch_.starts[s]; t < batch_.starts[s + 1]; t++) {
      if (batch_.positions.empty()) positions.push_back(t - batch_.starts[s]);
      lengths[t] = batch_.starts[s + 1] - batch_.starts[s];
    }
  rotary_tables(positions, lengths);
}

// For dropout, the identity of each token: of its sequence, and its position in it. However a batch is made up, a token's mask is its own.
void CpuEngine::number_tokens() {
  token_keys_.clear();
  const bool each = long(batch_.keys.size()) == batch_.N();
  for (size_t s = 0; s + 1 < batch_.starts.size(); s++)
    for (int t = batch_.starts[s]; t < batch_.starts[s + 1]; t++) {
      const int key = batch_.keys.empty() ? int(s) : batch_.keys[each ? t : s];
      token_keys_.push_back(uint64_t(key) << 32 | uint32_t(batch_.positions.empty() ? t - batch_.starts[s] : batch_.positions[t]));
    }
}

// Takes the batch, finds the rows with a target, makes room; who calls it sets the rotary tables.
void CpuEngine::start(const Batch& batch, const ForwardOptions& o) {
  if (network.encoder) check_encoder(batch, o);
  lose_pass("another pass (forward, logits, a generation or a rollout) ran since");
  active_ = &set(o.adapter);
  batch_ = batch, forward_ = o;
  rows_ = batch_.rows, targets_ = batch_.ids;
  if (batch_.rows.empty())
    for (long t = 0; t < batch_.N(); t++)
      if (batch_.targets[t] >= 0) rows_.push_back(int(t)), targets_.push_back(batch_.targets[t]);
  if (active_->dropout == 0) forward_.dropout = false;
  if (forward_.dropout) number_tokens();
  room(batch_.N());
}

// Buffers for N tokens. Layers of their own only where the backward pass will read them again.
void CpuEngine::room(long N) {
  const bool each = each_layer_ = forward_.keep && !options.recompute;
  kept_.resize(std::max(kept_.size(), size_t(each ? network.layers : 1)));  // never fewer: an evaluation between steps must not free them
  inputs_.resize(std::max(inputs_.size(), size_t(forward_.keep ? network.layers + 1 : 2)));
  const long M = round32(N);
  for (long i = 0; i < (forward_.keep ? network.layers + 1 : 2); i++) inputs_[i].reserve(bytes(N, axes.H));
  for (long i = 0; i < (each ? network.layers : 1); i++) {
    Kept& k = kept_[i];
    k.qkv.reserve(bytes(N, axes.C)), k.attended.reserve(bytes(N, axes.Q)), k.h.reserve(bytes(N, axes.H)),
        k.gate_up.reserve(bytes(N, axes.U));
    k.lse.reserve(network.heads * M * 4), k.inverse1.reserve(M * 4), k.inverse2.reserve(M * 4);
    if (network.encoder) k.mean1.reserve(M * 4), k.mean2.reserve(M * 4);
    if (network.query_key_norm) k.inverse_q.reserve(M * network.heads * 4), k.inverse_k.reserve(M * network.kv_heads * 4);
    for (long layer = i; layer < (each ? i + 1 : network.layers); layer++)
      for (int g = 0; g < 4; g++) k.low[g].reserve(bytes(N, (lora(layer, g) ? lora(layer, g)->R : 0)));
  }
  normed1_.reserve(bytes(N, axes.H)), normed2_.reserve(bytes(N, axes.H)), act_.reserve(bytes(N, axes.I));
  if (network.query_key_norm) normed_qkv_.reserve(bytes(N, axes.C));
  if (forward_.dropout) dropped_.reserve(bytes(N, widest())), scratch_.reserve(bytes(team.size() * kPassRows, widest()));
  work_.reserve(team.size() * matmul::workspace_floats() * 4);
}

}  // namespace attune
