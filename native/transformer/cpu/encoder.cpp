// The pieces of an encoder's forward pass; forward.cpp calls them in the places of a decoder's.
#include "base/error.h"
#include "kernels/embedding/embedding.h"
#include "kernels/swiglu/swiglu.h"
#include "transformer/cpu/cpu_engine.h"
#include "transformer/cpu/passes.h"

namespace attune {
namespace {

// x += y + z over rows first .. last (whole blocks), in fp32, rounded once.
template <class T> void add_both(T* x, const T* y, const T* z, long H, long first, long last) {
  for (long i = rows_index(first, 0, H); i < rows_index(round32(last), 0, H); i++)
    store(x + i, to_float(x[i]) + to_float(y[i]) + to_float(z[i]));
}

}  // namespace

void CpuEngine::check_encoder(const Batch& batch, const ForwardOptions& o) const {
  for (size_t s = 0; s + 1 < batch.starts.size(); s++)
    if (batch.starts[s + 1] - batch.starts[s] > network.context)
      throw Error("model_arguments", "a sequence of " + std::to_string(batch.starts[s + 1] - batch.starts[s]) +
                                         " tokens is longer than the encoder's " + std::to_string(network.context) + " positions");
  if (!batch.positions.empty() || !batch.hidden_from.empty())
    throw Error("model_arguments",
                "an encoder's tokens stand at their own places and are seen by all: leave positions, hiddenFrom and hiddenTo out");
  if (!batch.scores.empty()) throw Error("model_arguments", "an encoder has no score head");
  if (o.temperature != 1) throw Error("model_arguments", "an encoder's logits take no temperature");
}

// inputs_[0] = word + position + type; normed1_ and normed2_ are free until the first layer.
void CpuEngine::encoder_embed() {
  const long N = batch_.N();
  Encoder& e = encoder_;
  e.places.clear(), e.zeros.assign(N, 0);
  for (size_t s = 0; s + 1 < batch_.starts.size(); s++)
    for (int t = batch_.starts[s]; t < batch_.starts[s + 1]; t++) e.places.push_back(t - batch_.starts[s]);
  char *x = inputs_[0].as<char>(), *position = normed1_.as<char>(), *type = normed2_.as<char>();
  team.rows(N, [&](long first, long last, int) {
    embedding::forward(head_, batch_.tokens.data(), N, x, first, last);
    embedding::forward(e.positions, e.places.data(), N, position, first, last);
    embedding::forward(e.types, e.zeros.data(), N, type, first, last);
    if (options.dtype == DType::f32)
      add_both(reinterpret_cast<float*>(x), reinterpret_cast<float*>(position), reinterpret_cast<float*>(type), axes.H, first, last);
    else
      add_both(reinterpret_cast<bf16*>(x), reinterpret_cast<bf16*>(position), reinterpret_cast<bf16*>(type), axes.H, first, last);
  });
}

layer_norm::Forward CpuEngine::encoder_norm(const Norm& n, const void* x, void* y, const Memory& mean, const Memory& inverse) const {
  return {{options.dtype, axes.H, network.hidden, network.eps}, x, n.w.data(), n.b.data(), y, mean.as<float>(), inverse.as<float>()};
}

// From the attended rows to the sum that the next layer's norm reads.
void CpuEngine::encoder_output_and_mlp(long i, Kept& kept, void* out) {
  const Layer& l = layers_[i];
  passes(team, batch_.N(), [&](long first, long last, int thread) {
    auto run = [&](int group, const void* x, matmul::Finish finish, const void* residual, void* y, long columns) {
      low_rank(i, group, x, kept.low[group], first, last, thread);
      matmul::Product p = product(l.group[group], false, x, finish, y, columns);
      p.residual = residual, p.low = low_term(i, group, kept.low[group], false);
      matmul::rows(p, first, last, workspace(thread));
    };
    run(kO, kept.attended.as<char>(), matmul::Finish::add, normed1_.as<char>(), kept.h.as<char>(), axes.H);
    layer_norm::forward(encoder_norm(l.norm2, kept.h.as<char>(), normed2_.as<char>(), kept.mean2, kept.inverse2), first, last);
    run(kGateUp, normed2_.as<char>(), matmul::Finish::store, nullptr, kept.gate_up.as<char>(), axes.I);
    swiglu::unary(network.activation, options.dtype, kept.gate_up.as<char>(), act_.as<char>(), axes.I, first, last);
    run(kDown, act_.as<char>(), matmul::Finish::add, normed2_.as<char>(), out, axes.H);
  });
}

// The gathered rows (R, H) in compact_ to what the vocabulary is multiplied with, in compact_normed_. `rows`: their places in the batch.
void CpuEngine::encoder_head(const std::vector<int>& rows) {
  Encoder& e = encoder_;
  const long R = long(rows.size()), head = network.layers;
  if (const lora_matmul::Group* g = lora(head, 0)) e.low.reserve(bytes(R, g->R));
  e.keys.clear();
  if (forward_.dropout)
    for (const int row : rows) e.keys.push_back(token_keys_[row]);
  for (Memory* m : {&e.normed, &e.summed, &e.active}) m->reserve(bytes(R, axes.H));
  for (Memory* m : {&e.mean1, &e.mean2, &e.inverse2}) m->reserve(round32(R) * 4);
  work_.reserve(team.size() * matmul::workspace_floats() * 4);
  passes(team, R, [&](long first, long last, int thread) {
    layer_norm::forward(encoder_norm(norm_, compact_.as<char>(), e.normed.as<char>(), e.mean1, compact_inverse_), first, last);
    low_rank(head, 0, e.normed.as<char>(), e.low, first, last, thread);
    matmul::Product p = product(e.dense, false, e.normed.as<char>(), matmul::Finish::store, e.summed.as<char>(), axes.H);
    p.low = low_term(head, 0, e.low, false);
    matmul::rows(p, first, last, workspace(thread));
    swiglu::unary(network.activation, options.dtype, e.summed.as<char>(), e.active.as<char>(), axes.H, first, last);
    layer_norm::forward(encoder_norm(e.norm, e.active.as<char>(), compact_normed_.as<char>(), e.mean2, e.inverse2), first, last);
  });
}

// logits (R, V) row-major.
void CpuEngine::add_vocabulary_bias(std::vector<float>& logits) const {
  for (size_t i = 0; i < logits.size(); i++) logits[i] += encoder_.bias[i % size_t(network.vocabulary)];
}

}  // namespace attune
