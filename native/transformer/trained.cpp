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
  Parameter& kept = parameters.add(std::move(p));
  for (long n = 0; n < rows; n += kPackRows)
    parameters.add_packer([&kept, &w, n, rows, columns, row_at, column_at] {
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
  Parameter& kept = parameters.add(std::move(p));
  for (long i = 0; i < count; i++) kept.value[i] = w[place(at, i)];
  parameters.add_packer([&kept, &w, at, count] {
    for (long i = 0; i < count; i++) w[place(at, i)] = kept.value[i];
  });
}

void Model::train_all(const std::vector<StoredTensor>& tensors) {
  train_matrix("model.embed_tokens.weight", config.tied ? head_ : embedding_, config.tied ? head_gradient_ : embedding_gradient_,
               config.vocabulary, config.hidden, nullptr, nullptr);
  for (long i = 0; i < config.layers; i++) {
    Layer& l = layers_[i];
    const std::string base = "model.layers." + std::to_string(i) + ".";
    train_vector(base + "input_layernorm.weight", l.norm1.w, l.norm1.gradient, nullptr, config.hidden);
    for (Linear& g : l.group) {
      if (&g == &l.group[kGateUp])
        train_vector(base + "post_attention_layernorm.weight", l.norm2.w, l.norm2.gradient, nullptr, config.hidden);
      for (const Part& p : g.parts) {
        train_matrix(p.name + ".weight", g.w, g.gradient, p.outputs, p.inputs, p.output_at, p.input_at);
        if (p.has_bias) train_vector(p.name + ".bias", g.bias, g.bias_gradient, p.output_at, p.outputs);
      }
    }
    if (!config.query_key_norm) continue;
    train_vector(base + "self_attn.q_norm.weight", l.q_norm.w, l.q_norm.gradient, axes.head.data(), config.head_size);
    train_vector(base + "self_attn.k_norm.weight", l.k_norm.w, l.k_norm.gradient, axes.head.data(), config.head_size);
  }
  train_vector("model.norm.weight", norm_.w, norm_.gradient, nullptr, config.hidden);
  if (!config.tied) train_matrix("lm_head.weight", head_, head_gradient_, config.vocabulary, config.hidden, nullptr, nullptr);
  fill_masters(tensors);
}

void Model::train_adapter(Linear& l, size_t target, const AdapterTarget& a) {
  const Part& part = l.parts[target];
  const lora_matmul::Target& t = l.lora.targets[target];
  lora_matmul::Group* g = &l.lora;
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
  Parameter& A = parameters.add(std::move(pa));
  Parameter& B = parameters.add(std::move(pb));
  A.value = a.a, B.value = a.b;
  parameters.add_packer([g, target, &A, &B] { lora_matmul::pack(*g, int(target), A.value.data(), B.value.data()); });
}

void Model::set_adapter(const Adapter& adapter) {
  const bool trainable = options.train == Train::adapter;
  if (trainable) parameters.clear();
  std::map<std::string, const AdapterTarget*> wanted;
  for (const AdapterTarget& t : adapter.targets) wanted[t.name] = &t;
  lora_scale_ = adapter.scale, dropout_ = adapter.dropout;
  for (Layer& layer : layers_)
    for (Linear& l : layer.group) {
      l.lora = {};
      l.lora.K = l.w.K, l.lora.N = l.w.N, l.lora.inputs = l.parts[0].inputs, l.lora.input_at = l.parts[0].input_at,
      l.lora.scale = adapter.scale;
      bool any = false;
      for (const Part& p : l.parts) {
        const auto found = wanted.find(p.name);
        const AdapterTarget* t = found == wanted.end() ? nullptr : found->second;
        if (t && (long(t->a.size()) != t->rank * p.inputs || long(t->b.size()) != t->rank * p.outputs))
          throw Error("adapter_shape", p.name + ": expected A [" + std::to_string(t->rank) + ", " + std::to_string(p.inputs) + "] and B [" +
                                           std::to_string(p.outputs) + ", " + std::to_string(t->rank) + "]");
        l.lora.targets.push_back({t ? t->rank : 0, 0, p.outputs, p.output_at});
        any |= t != nullptr;
      }
      if (!any) continue;
      lora_matmul::prepare(l.lora, options.dtype, trainable);
      for (size_t i = 0; i < l.parts.size(); i++) {
        const auto found = wanted.find(l.parts[i].name);
        if (found == wanted.end()) continue;
        if (trainable)
          train_adapter(l, i, *found->second);
        else
          lora_matmul::pack(l.lora, int(i), found->second->a.data(), found->second->b.data());
        wanted.erase(found);
      }
    }
  if (!wanted.empty()) throw Error("adapter_target", "the model has no linear layer named " + wanted.begin()->first);
  if (trainable) parameters.repack(team);
}

std::vector<float> Model::gradient_of(const Parameter& p) const {
  std::vector<float> g(p.size());
  p.gather(0, p.rows, g.data());
  return g;
}

void Model::zero_gradients() {
  auto zero = [](std::vector<float>& v) { std::fill(v.begin(), v.end(), 0.f); };
  zero(embedding_gradient_), zero(head_gradient_), zero(norm_.gradient);
  for (Layer& l : layers_) {
    zero(l.norm1.gradient), zero(l.norm2.gradient), zero(l.q_norm.gradient), zero(l.k_norm.gradient);
    for (Linear& g : l.group) zero(g.gradient), zero(g.bias_gradient), zero(g.lora.gradient_a), zero(g.lora.gradient_b);
  }
}

}  // namespace attune
