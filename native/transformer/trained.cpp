// What is trained: every tensor of the checkpoint, or the low-rank factors of an adapter.
#include "base/error.h"
#include "transformer/model.h"
#include <algorithm>

namespace attune {
namespace {

// Rows a packing task takes: two tasks must not touch the same block of 32.
constexpr long kPackRows = 64;

long place(const int* at, long i) { return at ? at[i] : i; }

}  // namespace

// A matrix with fp32 master values: gradients are gathered from the padded accumulator, changed values packed again.
void Model::train_matrix(const std::string& name, matmul::Weights& w, std::vector<float>& gradient, long rows, long columns,
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

void Model::train_vector(const std::string& name, std::vector<float>& w, std::vector<float>& gradient, const int* at, long count) {
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

void Model::train_norm(const std::string& name, Norm& n, const int* at, long count) {
  train_vector(name + ".weight", n.w, n.gradient, at, count);
  if (!n.b.empty()) train_vector(name + ".bias", n.b, n.bias_gradient, at, count);
}

void Model::train_group(Linear& g) {
  for (const Part& p : g.parts) {
    train_matrix(p.name + ".weight", g.w, g.gradient, p.outputs, p.inputs, p.output_at, p.input_at);
    if (p.has_bias) train_vector(p.name + ".bias", g.bias, g.bias_gradient, p.output_at, p.outputs);
  }
}

void Model::train_decoder() {
  train_matrix("model.embed_tokens.weight", config.tied ? head_ : embedding_, config.tied ? head_gradient_ : embedding_gradient_,
               config.vocabulary, config.hidden, nullptr, nullptr);
  for (long i = 0; i < config.layers; i++) {
    Layer& l = layers_[i];
    const std::string base = "model.layers." + std::to_string(i) + ".";
    train_norm(base + "input_layernorm", l.norm1, nullptr, config.hidden);
    for (Linear& g : l.group) {
      if (&g == &l.group[kGateUp]) train_norm(base + "post_attention_layernorm", l.norm2, nullptr, config.hidden);
      train_group(g);
    }
    if (!config.query_key_norm) continue;
    train_norm(base + "self_attn.q_norm", l.q_norm, axes.head.data(), config.head_size);
    train_norm(base + "self_attn.k_norm", l.k_norm, axes.head.data(), config.head_size);
  }
  train_norm("model.norm", norm_, nullptr, config.hidden);
  if (!config.tied) train_matrix("lm_head.weight", head_, head_gradient_, config.vocabulary, config.hidden, nullptr, nullptr);
}

void Model::train_all(const Tensors& tensors) {
  config.encoder ? train_encoder() : train_decoder();
  fill_masters(tensors);
}

void Model::train_adapter(AdapterSet& set, lora_matmul::Group& group, const Part& part, size_t target, const AdapterTarget& a) {
  const lora_matmul::Target& t = group.targets[target];
  lora_matmul::Group* g = &group;
  Parameter pa, pb;
  pa.name = "base_model.model." + part.name + ".lora_A.weight", pa.rows = a.rank, pa.columns = part.inputs;
  pa.gather = [g, first_rank = t.first, in = part.input_at, columns = part.inputs](long first, long last, float* out) {
    for (long r = first; r < last; r++)
      for (long k = 0; k < columns; k++) *out++ = g->gradient_a[rows_index(first_rank + r, place(in, k), g->K)];
  };
  pb.name = "base_model.model." + part.name + ".lora_B.weight", pb.rows = part.outputs, pb.columns = a.rank;
  pb.gather = [g, first_rank = t.first, at = part.output_at, rank = a.rank](long first, long last, float* out) {
    for (long n = first; n < last; n++)
      for (long r = 0; r < rank; r++) *out++ = g->gradient_b[rows_index(first_rank + r, place(at, n), g->N)];
  };
  Parameter& A = set.parameters.add(std::move(pa));
  Parameter& B = set.parameters.add(std::move(pb));
  A.value = a.a, B.value = a.b;
  set.parameters.add_packer([g, target, &A, &B] { lora_matmul::pack(*g, int(target), A.value.data(), B.value.data()); });
}

void Model::set_adapter(const Adapter& adapter) {
  if (adapter.name.empty()) throw Error("model_arguments", "an adapter needs a name");
  std::map<std::string, const AdapterTarget*> wanted;
  for (const AdapterTarget& t : adapter.targets) wanted[t.name] = &t;
  AdapterSet& set = adapters_[adapter.name];
  Head head = std::move(set.head);  // replaced factors keep the head
  set.parameters.clear(), set.groups.clear(), set.head = {};
  set.scale = adapter.scale, set.dropout = adapter.dropout, set.trained = adapter.trained;
  set.groups.resize(config.layers + (config.encoder ? 1 : 0));
  for (size_t i = 0; i < set.groups.size(); i++)
    for (int k = 0; k < 4 && linear(long(i), k); k++) {
      const Linear& l = *linear(long(i), k);
      lora_matmul::Group& g = set.groups[i][k];
      g.K = l.w.K, g.N = l.w.N, g.inputs = l.parts[0].inputs, g.input_at = l.parts[0].input_at, g.scale = adapter.scale;
      std::vector<const AdapterTarget*> found;
      for (const Part& p : l.parts) {
        const auto at = wanted.find(p.name);
        const AdapterTarget* t = at == wanted.end() ? nullptr : at->second;
        if (t && (long(t->a.size()) != t->rank * p.inputs || long(t->b.size()) != t->rank * p.outputs))
          throw Error("adapter_shape", p.name + ": expected A [" + std::to_string(t->rank) + ", " + std::to_string(p.inputs) + "] and B [" +
                                           std::to_string(p.outputs) + ", " + std::to_string(t->rank) + "]");
        g.targets.push_back({t ? t->rank : 0, 0, p.outputs, p.output_at});
        found.push_back(t);
        if (t) wanted.erase(at);
      }
      if (std::none_of(found.begin(), found.end(), [](const AdapterTarget* t) { return t; })) continue;
      lora_matmul::prepare(g, options.dtype, adapter.trained);
      for (size_t t = 0; t < found.size(); t++)
        if (found[t] && adapter.trained)
          train_adapter(set, g, l.parts[t], t, *found[t]);
        else if (found[t])
          lora_matmul::pack(g, int(t), found[t]->a.data(), found[t]->b.data());
    }
  if (!wanted.empty()) throw Error("adapter_target", "the model has no linear layer named " + wanted.begin()->first);
  set.parameters.repack(team);
  if (!head.w.empty()) set_head(adapter.name, std::vector<float>(head.w.begin(), head.w.begin() + config.hidden));
}

AdapterSet& Model::set(const std::string& adapter) {
  if (adapter.empty()) return base_;
  const auto found = adapters_.find(adapter);
  if (found == adapters_.end() && adapter == "default") return base_;
  if (found == adapters_.end()) throw Error("model_arguments", "no adapter is named " + adapter);
  return found->second;
}

void Model::set_head(const std::string& adapter, const std::vector<float>& w) {
  AdapterSet& s = set(adapter);
  if (config.encoder) throw Error("model_arguments", "an encoder has no score head");
  if (long(w.size()) != config.hidden)
    throw Error("model_arguments", "the head: expected " + std::to_string(config.hidden) + " numbers, got " + std::to_string(w.size()));
  const bool had = !s.head.w.empty();
  s.head.w.assign(axes.H, 0.f);
  std::copy(w.begin(), w.end(), s.head.w.begin());
  const std::string name = &s == &base_ ? "score.weight" : "base_model.model.score.weight";
  if (!(&s == &base_ ? options.train == Train::all : s.trained)) return;
  if (had) {
    s.parameters.find(name).value = w;
    return;
  }
  s.head.gradient.assign(axes.H, 0.f);
  Parameter p;
  p.name = name, p.rows = 1, p.columns = config.hidden;
  p.gather = [&s, n = config.hidden](long, long, float* out) { std::copy(s.head.gradient.begin(), s.head.gradient.begin() + n, out); };
  Parameter& kept = s.parameters.add(std::move(p));
  kept.value = w;
  s.parameters.add_packer([&s, &kept] { std::copy(kept.value.begin(), kept.value.end(), s.head.w.begin()); });
}

std::vector<float> Model::head(const std::string& adapter) {
  const AdapterSet& s = set(adapter);
  return s.head.w.empty() ? std::vector<float>() : std::vector<float>(s.head.w.begin(), s.head.w.begin() + config.hidden);
}

std::vector<float> Model::gradient_of(const Parameter& p) const {
  std::vector<float> g(p.size());
  p.gather(0, p.rows, g.data());
  return g;
}

void Model::zero_gradients(const std::string& adapter) {
  auto zero = [](std::vector<float>& v) { std::fill(v.begin(), v.end(), 0.f); };
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
