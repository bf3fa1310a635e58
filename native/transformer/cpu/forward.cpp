// Forward: ids to log-probabilities.
#include "base/error.h"
#include "kernels/dropout/dropout.h"
#include "kernels/embedding/embedding.h"
#include "kernels/logprob/logprob.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/score/score.h"
#include "transformer/cpu/cpu_engine.h"
#include "transformer/cpu/paged_cache.h"
#include "transformer/cpu/passes.h"
#include <algorithm>
#include <cmath>

namespace attune {

attention::Shape CpuEngine::attention_shape(long i) const {
  const auto given = [](const std::vector<int>& v) { return v.empty() ? nullptr : v.data(); };
  return {options.dtype,
          network.heads,
          network.kv_heads,
          axes.D,
          batch_.starts.data(),
          long(batch_.starts.size()) - 1,
          forward_.causal && !network.encoder,
          network.windows[i],
          float(1 / std::sqrt(double(network.head_size))),
          0.f,
          cos_.as<float>(),  // null: an encoder knows positions from its embedding
          sin_.as<float>(),
          given(batch_.positions),
          given(batch_.hidden_from),
          given(batch_.hidden_to)};
}

matmul::LowRank CpuEngine::low_term(long i, int group, const Memory& p, bool backward) const {
  const lora_matmul::Group* g = lora(i, group);
  if (!g) return {};
  return backward ? lora_matmul::backward_term(*g, p.as<char>()) : lora_matmul::forward_term(*g, p.as<char>());
}

matmul::Product CpuEngine::product(const Linear& l, bool transposed, const void* a, matmul::Finish finish, void* c, long c_columns) const {
  matmul::Product p{};
  p.a = a, p.a_columns = transposed ? l.w.N : l.w.K, p.w = &l.w, p.transposed = transposed, p.finish = finish, p.c = c,
  p.c_columns = c_columns, p.scale = 1;
  if (!transposed && !l.bias.empty()) p.bias = l.bias.data();
  return p;
}

void CpuEngine::run_layers() {
  embed();
  for (long i = 0; i < network.layers; i++) {
    check_stop();
    Memory &in = inputs_[forward_.keep ? i : i % 2], &out = inputs_[forward_.keep ? i + 1 : (i + 1) % 2];
    forward_layer(i, kept_[each_layer_ ? i : 0], in.as<char>(), out.as<char>());
  }
}

void CpuEngine::embed() {
  if (network.encoder) return encoder_embed();
  const matmul::Weights& w = network.tied ? head_ : embedding_;
  team.rows(batch_.N(), [&](long first, long last, int) {
    embedding::forward(w, batch_.tokens.data(), batch_.N(), inputs_[0].as<char>(), first, last);
  });
}

void CpuEngine::forward_layer(long i, Kept& kept, const void* in, void* out) {
  norm_and_qkv(i, kept, in);
  attend(i, kept);
  network.encoder ? encoder_output_and_mlp(i, kept, out) : output_and_mlp(i, kept, in, out);
}

rms_norm::Forward CpuEngine::layer_norm(const Norm& n, const void* x, void* y, Memory& inverse) const {
  return {{options.dtype, axes.H, 0, 1, axes.H, network.hidden, network.eps}, x, n.w.data(), y, inverse.as<float>()};
}
rms_norm::Forward CpuEngine::head_norm(long i, Kept& kept, bool queries) const {
  const Norm& n = queries ? layers_[i].q_norm : layers_[i].k_norm;
  const long heads = queries ? network.heads : network.kv_heads;
  return {{options.dtype, axes.C, queries ? 0 : axes.Q, heads, axes.D, network.head_size, network.eps},
          kept.qkv.as<char>(),
          n.w.data(),
          normed_qkv_.as<char>(),
          (queries ? kept.inverse_q : kept.inverse_k).as<float>()};
}

dropout::Site CpuEngine::site(long i, int group) const {
  const std::vector<uint64_t>& keys = i < network.layers ? token_keys_ : encoder_.keys;
  return {options.dtype, forward_.dropout_key, uint64_t(i * 4 + group), keys.data(), active_->dropout};
}

// A pass's worth of rows first .. for this thread, addressed as if the matrix (M, columns) began before it.
void* CpuEngine::scratch_rows(int thread, long first, long columns) {
  return scratch_.as<char>() + (long(thread) * kPassRows * widest() - first * columns) * bytes_of(options.dtype);
}

// P = s X A^T of a group, from the inputs themselves or, in training with dropout, from what is left of them.
void CpuEngine::low_rank(long i, int group, const void* x, Memory& p, long first, long last, int thread) {
  const lora_matmul::Group* g = lora(i, group);
  if (!g) return;
  if (forward_.dropout) {
    void* left = scratch_rows(thread, first, g->K);
    dropout::run(site(i, group), x, left, g->K, first, last);
    x = left;
  }
  lora_matmul::down(*g, x, g->K, 0, p.as<char>(), first, last, workspace(thread));
}

void CpuEngine::norm_and_qkv(long i, Kept& kept, const void* in) {
  const Linear& qkv = layers_[i].group[kQkv];
  passes(team, batch_.N(), [&](long first, long last, int thread) {
    float* ws = workspace(thread);
    if (network.encoder)
      layer_norm::forward(encoder_norm(layers_[i].norm1, in, normed1_.as<char>(), kept.mean1, kept.inverse1), first, last);
    else
      rms_norm::forward(layer_norm(layers_[i].norm1, in, normed1_.as<char>(), kept.inverse1), first, last);
    low_rank(i, kQkv, normed1_.as<char>(), kept.low[kQkv], first, last, thread);
    matmul::Product p = product(qkv, false, normed1_.as<char>(), matmul::Finish::store, kept.qkv.as<char>(), axes.C);
    p.low = low_term(i, kQkv, kept.low[kQkv], false);
    matmul::rows(p, first, last, ws);
    if (network.query_key_norm) norm_heads(i, kept, first, last);
  });
}

// Qwen3: queries and keys normed a head at a time into a copy; what came before the norm is kept for its backward pass.
void CpuEngine::norm_heads(long i, Kept& kept, long first, long last) {
  const long from = rows_index(first, 0, axes.C), to = rows_index(round32(last), 0, axes.C), size = bytes_of(options.dtype);
  memcpy(normed_qkv_.as<char>() + from * size, kept.qkv.as<char>() + from * size, (to - from) * size);
  rms_norm::forward(head_norm(i, kept, true), first, last);
  rms_norm::forward(head_norm(i, kept, false), first, last);
}

void CpuEngine::attend(long i, Kept& kept) {
  const void* qkv = network.query_key_norm ? normed_qkv_.as<char>() : kept.qkv.as<char>();
  if (cached_ && attend_cached(i, qkv, kept.attended.as<char>())) return;
  const attention::Shape shape = attention_shape(i);
  attention_work_.reserve(attention::forward_bytes(shape, team.size()));
  attention::forward(team, {shape, qkv, kept.attended.as<char>(), kept.lse.as<float>()}, attention_work_.as<char>());
}

void CpuEngine::output_and_mlp(long i, Kept& kept, const void* in, void* out) {
  const Layer& l = layers_[i];
  const Linear &o = l.group[kO], &gate_up = l.group[kGateUp], &down = l.group[kDown];
  passes(team, batch_.N(), [&](long first, long last, int thread) {
    float* ws = workspace(thread);
    low_rank(i, kO, kept.attended.as<char>(), kept.low[kO], first, last, thread);
    matmul::Product p = product(o, false, kept.attended.as<char>(), matmul::Finish::add, kept.h.as<char>(), axes.H);
    p.residual = in, p.low = low_term(i, kO, kept.low[kO], false);
    matmul::rows(p, first, last, ws);
    rms_norm::forward(layer_norm(l.norm2, kept.h.as<char>(), normed2_.as<char>(), kept.inverse2), first, last);
    low_rank(i, kGateUp, normed2_.as<char>(), kept.low[kGateUp], first, last, thread);
    p = product(gate_up, false, normed2_.as<char>(), matmul::Finish::swiglu, act_.as<char>(), axes.I);
    p.kept = kept.gate_up.as<char>(), p.low = low_term(i, kGateUp, kept.low[kGateUp], false);
    matmul::rows(p, first, last, ws);
    low_rank(i, kDown, act_.as<char>(), kept.low[kDown], first, last, thread);
    p = product(down, false, act_.as<char>(), matmul::Finish::add, out, axes.H);
    p.residual = kept.h.as<char>(), p.low = low_term(i, kDown, kept.low[kDown], false);
    matmul::rows(p, first, last, ws);
  });
}

// Of the rows that a head reads: those that make logits. Scored rows begin at a block of their own.
long CpuEngine::logit_rows(long rows) const { return batch_.scores.empty() ? rows : round32(long(rows_.size())); }

// Weights of the last norm where logits are made: what is divided there divides the logits, before anything is rounded.
std::vector<float> CpuEngine::logit_norm() const {
  std::vector<float> w(norm_.w.begin(), norm_.w.end());
  if (forward_.temperature != 1)
    for (float& v : w) v /= forward_.temperature;
  return w;
}

// Rows that a head reads: gathered, normed. The rest of the last layer's output is never read.
void CpuEngine::last_norm(const std::vector<int>& rows) {
  const long R = long(rows.size()), size = bytes_of(options.dtype);
  const char* x = inputs_[forward_.keep ? network.layers : network.layers % 2].as<char>();
  compact_.reserve(bytes(R, axes.H)), compact_normed_.reserve(bytes(R, axes.H)), compact_inverse_.reserve(round32(R) * 4);
  const std::vector<float> logit_w = logit_norm();
  team.rows(R, [&](long first, long last, int) {
    for (long r = first; r < last; r++)
      for (long k = 0; k < axes.H; k += 32)
        memcpy(compact_.as<char>() + rows_index(r, k, axes.H) * size, x + rows_index(rows[r], k, axes.H) * size, 32 * size);
    if (network.encoder) return;
    rms_norm::Forward f = layer_norm(norm_, compact_.as<char>(), compact_normed_.as<char>(), compact_inverse_);
    const long border = std::clamp(logit_rows(R), first, last);
    if (border < last) rms_norm::forward(f, border, last);
    f.w = logit_w.data();
    if (first < border) rms_norm::forward(f, first, border);
  });
  if (network.encoder) encoder_head(rows);
}

// The rows of both heads: those with a target, then, from the next block of 32 on, those with a score. The gap repeats row 0 of the batch.
std::vector<int> CpuEngine::head_rows() const {
  std::vector<int> rows = rows_;
  if (batch_.scores.empty()) return rows;
  rows.resize(round32(long(rows.size())), 0);
  rows.insert(rows.end(), batch_.scores.begin(), batch_.scores.end());
  return rows;
}

logprob::Forward CpuEngine::head_arguments(Outputs& out) {
  return {&head_,
          network.vocabulary,
          compact_normed_.as<char>(),
          long(rows_.size()),
          targets_.data(),
          0.f,
          out.logprob.data(),
          out.lse.data(),
          out.entropy.empty() ? nullptr : out.entropy.data(),
          out.mean.empty() ? nullptr : out.mean.data(),
          network.encoder ? encoder_.bias.data() : nullptr};
}

void CpuEngine::forward(const Batch& batch, const ForwardOptions& o, Outputs& out) {
  start(batch, o);
  rotary_of_sequences();
  if (o.keep && !trained(*active_))
    throw Error("model_arguments",
                "nothing is trained here (train: 'none', or an adapter that is not); the pass cannot be kept for backward");
  if (!batch.scores.empty() && active_->head.w.empty()) throw Error("model_arguments", "scores need a head: call setHead first");
  run_layers();
  passed_ = true;
  const size_t R = rows_.size();
  out.logprob.assign(R, 0.f), out.lse.assign(R, 0.f), out.entropy.assign(o.entropy ? R : 0, 0.f), out.mean.assign(o.mean ? R : 0, 0.f);
  last_norm(head_rows());
  if (R) {
    const logprob::Forward f = head_arguments(out);
    head_work_.reserve(logprob::forward_bytes(f, team.size()));
    logprob::forward(team, f, head_work_.as<char>());
    other_ids(out);
  }
  out.score.assign(batch_.scores.size(), 0.f);
  score::forward(score_arguments(), out.score.data());
  if (o.keep) kept_outputs_ = out;
  can_backward_ = o.keep;
}

logprob::Candidates CpuEngine::candidate_arguments(Outputs& out) {
  return {head_arguments(out), long(batch_.candidates.size() / rows_.size()), batch_.candidates.data(), out.candidates.data()};
}

// What a distillation asks beside the targets: the ids that the batch names, and the likeliest.
void CpuEngine::other_ids(Outputs& out) {
  out.candidates.assign(batch_.candidates.size(), 0.f);
  if (!batch_.candidates.empty()) logprob::candidates(team, candidate_arguments(out));
  const size_t count = rows_.size() * size_t(forward_.top);
  out.top_ids.assign(count, 0), out.top.assign(count, 0.f);
  if (!count) return;
  const logprob::Top t{head_arguments(out), forward_.top, out.top_ids.data(), out.top.data()};
  head_work_.reserve(logprob::top_bytes(t, team.size()));
  logprob::top(team, t, head_work_.as<char>());
}

// The scored rows of the normed matrix.
score::Rows CpuEngine::score_arguments() const {
  const long first = round32(long(rows_.size()));
  return {options.dtype, compact_normed_.as<char>() + first * axes.H * bytes_of(options.dtype), axes.H, long(batch_.scores.size()),
          active_->head.w.data()};
}

void CpuEngine::logits(const std::vector<int>& rows, std::vector<float>& z) {
  if (!passed_) throw Error("model_arguments", "logits need a pass before them");
  z.resize(rows.size() * network.vocabulary);
  last_norm(rows);
  matmul::Product p{};
  p.a = compact_normed_.as<char>(), p.a_columns = axes.H, p.w = &head_, p.finish = matmul::Finish::store_float, p.c = z.data(), p.scale = 1;
  p.logical_columns = network.vocabulary;
  passes(team, long(rows.size()), [&](long first, long last, int thread) { matmul::rows(p, first, last, workspace(thread)); });
  if (network.encoder) add_vocabulary_bias(z);
}

}  // namespace attune
