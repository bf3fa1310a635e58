// What is trained: every tensor of the checkpoint; steps, writes and gradients of those and of adapters (adapters.cpp).
#include "base/error.h"
#include "transformer/cpu/cpu_engine.h"
#include <algorithm>

namespace attune {
namespace {

// Rows a packing task takes: two tasks must not touch the same block of 32.
constexpr long kPackRows = 64;

long place(const int* at, long i) { return at ? at[i] : i; }

}  // namespace

// A matrix with fp32 master values: gradients are gathered from the padded accumulator, changed values packed again.
void CpuEngine::train_matrix(const std::string& name, matmul::Weights& w, std::vector<float>& gradient, long rows, long columns,
                             const int* row_at, const int* column_at) {
  const long K = w.K;
  gradient.resize(size_t(w.N) * K, 0.f);
  Parameter p;
  p.name = name, p.rows = rows, p.columns = columns;
  p.gather = [&gradient, K, columns, row_at, column_at](long first, long last, float* out) {
    for (long n = first; n < last; n++)
      for (long k = 0; k < columns; k++) *out++ = gradient[rows_index(place(row_at, n), place(column_at, k), K)];
  };
  Parameter& kept = base_.parameters.add(std::move(p));
  for (long n = 0; n < rows; n += kPackRows)
    base_.parameters.add_packer([&kept, &w, n, rows, columns, row_at, column_at] {
      matmul::pack(w, {kept.value.data(), Stored::f32, rows, columns, row_at, column_at}, n, std::min(rows, n + kPackRows));
    });
}

void CpuEngine::train_vector(const std::string& name, std::vector<float>& w, std::vector<float>& gradient, const int* at, long count) {
  gradient.resize(w.size(), 0.f);
  Parameter p;
  p.name = name, p.rows = 1, p.columns = count, p.vector = true;
  p.gather = [&gradient, at, count](long, long, float* out) {
    for (long i = 0; i < count; i++) out[i] = gradient[place(at, i)];
  };
  Parameter& kept = base_.parameters.add(std::move(p));
  for (long i = 0; i < count; i++) kept.value[i] = w[place(at, i)];
  base_.parameters.add_packer([&kept, &w, at, count] {
    for (long i = 0; i < count; i++) w[place(at, i)] = kept.value[i];
  });
}

void CpuEngine::train_norm(const std::string& name, Norm& n, const int* at, long count) {
  train_vector(name + ".weight", n.w, n.gradient, at, count);
  if (!n.b.empty()) train_vector(name + ".bias", n.b, n.bias_gradient, at, count);
}

void CpuEngine::train_group(Linear& g) {
  for (const Part& p : g.parts) {
    train_matrix(p.name + ".weight", g.w, g.gradient, p.outputs, p.inputs, p.output_at, p.input_at);
    if (p.has_bias) train_vector(p.name + ".bias", g.bias, g.bias_gradient, p.output_at, p.outputs);
  }
}

void CpuEngine::train_decoder() {
  train_matrix("model.embed_tokens.weight", network.tied ? head_ : embedding_, network.tied ? head_gradient_ : embedding_gradient_,
               network.vocabulary, network.hidden, nullptr, nullptr);
  for (long i = 0; i < network.layers; i++) {
    Layer& l = layers_[i];
    const std::string base = "model.layers." + std::to_string(i) + ".";
    train_norm(base + "input_layernorm", l.norm1, nullptr, network.hidden);
    for (Linear& g : l.group) {
      if (&g == &l.group[kGateUp]) train_norm(base + "post_attention_layernorm", l.norm2, nullptr, network.hidden);
      train_group(g);
    }
    if (!network.query_key_norm) continue;
    train_norm(base + "self_attn.q_norm", l.q_norm, axes.head.data(), network.head_size);
    train_norm(base + "self_attn.k_norm", l.k_norm, axes.head.data(), network.head_size);
  }
  train_norm("model.norm", norm_, nullptr, network.hidden);
  if (!network.tied) train_matrix("lm_head.weight", head_, head_gradient_, network.vocabulary, network.hidden, nullptr, nullptr);
}

void CpuEngine::train_all(const Tensors& tensors) {
  network.encoder ? train_encoder() : train_decoder();
  fill_masters(tensors);
}

std::map<std::string, std::vector<NamedShape>> CpuEngine::parameters() const {
  std::map<std::string, std::vector<NamedShape>> all;
  auto list = [&](const std::string& name, const AdapterSet& s) {
    std::vector<NamedShape>& shapes = all[name];
    for (const Parameter& p : s.parameters.all())
      shapes.push_back({p.name, p.vector ? std::vector<long>{p.columns} : std::vector<long>{p.rows, p.columns}});
  };
  list("", base_);
  for (const auto& [name, s] : adapters_) list(name, *s);
  return all;
}

void CpuEngine::step(const std::string& adapter, const adamw::Step& s) {
  Parameters& p = set(adapter).parameters;
  lose_pass("a step changed the weights since");
  p.step(team, s), zero_gradients(adapter);
}

void CpuEngine::write(const std::string& adapter, const std::string& name, ParameterPart part, const std::vector<float>& values) {
  Parameters& all = set(adapter).parameters;
  Parameter& p = all.find(name);
  if (long(values.size()) != p.size())
    throw Error("model_arguments", "write " + name + ": values: expected a Float32Array of " + std::to_string(p.size()) + ", got one of " +
                                       std::to_string(values.size()));
  if (part == ParameterPart::gradient) throw Error("model_arguments", "write " + name + ": gradients are computed, never written");
  (part == ParameterPart::value ? p.value : part == ParameterPart::first ? p.first : p.second) = values;
  if (part != ParameterPart::value) return;
  lose_pass("weights were written since");
  all.repack(team);
}

std::vector<float> CpuEngine::read(const std::string& adapter, const std::string& name, ParameterPart part) {
  const Parameter& p = set(adapter).parameters.find(name);
  switch (part) {
    case ParameterPart::gradient:
      return gradient_of(p);
    case ParameterPart::first:
      return p.first;
    case ParameterPart::second:
      return p.second;
    default:
      return p.value;
  }
}

void CpuEngine::check_stop() const {
  if (stop_) throw Error("stopped", "the thread of JavaScript that asked for the work has ended");
}

std::vector<float> CpuEngine::gradient_of(const Parameter& p) const {
  std::vector<float> g(p.size());
  p.gather(0, p.rows, g.data());
  return g;
}

void CpuEngine::zero_gradients(const std::string& adapter) {
  auto zero = [](auto& v) { std::fill(v.begin(), v.end(), 0.f); };
  AdapterSet& s = set(adapter);
  zero(s.head.gradient);
  for (auto& layer : s.groups)
    for (lora_matmul::Group& g : layer) zero(g.gradient_a), zero(g.gradient_b);
  if (&s != &base_) return;
  auto zero_norm = [&](Norm& n) { zero(n.gradient), zero(n.bias_gradient); };
  auto zero_linear = [&](Linear& g) { zero(g.gradient), zero(g.bias_gradient); };
  zero(embedding_gradient_), zero(head_gradient_), zero_norm(norm_);
  for (Layer& l : layers_) {
    for (Norm* n : {&l.norm1, &l.norm2, &l.q_norm, &l.k_norm}) zero_norm(*n);
    for (Linear& g : l.group) zero_linear(g);
  }
  zero(encoder_.positions_gradient), zero(encoder_.types_gradient), zero(encoder_.bias_gradient);
  zero_linear(encoder_.dense), zero_norm(encoder_.norm);
}

}  // namespace attune
