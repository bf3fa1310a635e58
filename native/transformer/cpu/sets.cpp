#include "transformer/cpu/sets.h"
#include "base/error.h"
#include <algorithm>

namespace attune {
namespace {

long place(const int* at, long i) { return at ? at[i] : i; }

// "model.layers.0.mlp.up_proj.weight": an adapter calls it without the last part.
std::string layer_name(const Placed& p) { return p.tensor->name.substr(0, p.tensor->name.rfind('.')); }

void train_factors(Set& set, lora_matmul::Group& group, const Placed& part, size_t target, const AdapterTarget& a) {
  const lora_matmul::Target& t = group.targets[target];
  lora_matmul::Group* g = &group;
  const std::string name = "base_model.model." + layer_name(part);
  Parameter pa, pb;
  pa.name = name + ".lora_A.weight", pa.rows = a.rank, pa.columns = part.extent.columns;
  pa.gather = [g, first_rank = t.first, in = part.column_at, columns = part.extent.columns](long first, long last, float* out) {
    for (long r = first; r < last; r++)
      for (long k = 0; k < columns; k++) *out++ = g->gradient_a[rows_index(first_rank + r, place(in, k), g->K)];
  };
  pb.name = name + ".lora_B.weight", pb.rows = part.extent.rows, pb.columns = a.rank;
  pb.gather = [g, first_rank = t.first, at = part.rows(), rank = a.rank](long first, long last, float* out) {
    for (long n = first; n < last; n++)
      for (long r = 0; r < rank; r++) *out++ = g->gradient_b[rows_index(first_rank + r, place(at, n), g->N)];
  };
  Parameter& A = set.parameters.add(std::move(pa));
  Parameter& B = set.parameters.add(std::move(pb));
  A.value = a.a, B.value = a.b;
  set.parameters.add_packer([g, target, &A, &B] { lora_matmul::pack(*g, int(target), A.value.data(), B.value.data()); });
}

}  // namespace

Sets::Sets(const Network& network, const Options& options, Weights& weights, Team& team, const Tensors& tensors)
    : network_(network), options_(options), weights_(weights), team_(team) {
  base_.trained = options.train == Train::all;
  if (base_.trained) train_base(tensors);
}

// A matrix with fp32 master values: gradients are gathered from the padded accumulator, changed values packed again.
void Sets::train_matrix(const Placed& p) {
  constexpr long kPackRows = 64;  // two tasks must not touch the same block of 32
  Matrix& m = *p.matrix;
  m.gradient.resize(size_t(m.w.N) * m.w.K, 0.f);
  const Extent e = p.extent;
  const int *row_at = p.rows(), *column_at = p.column_at;
  const bool turned = p.tensor->transposed;
  Parameter made;
  made.name = p.tensor->name, made.rows = turned ? e.columns : e.rows, made.columns = turned ? e.rows : e.columns;
  made.gather = [&m, width = made.columns, row_at, column_at, turned](long first, long last, float* out) {
    for (long i = first; i < last; i++)
      for (long j = 0; j < width; j++) {
        const long n = turned ? j : i, k = turned ? i : j;
        *out++ = m.gradient[rows_index(place(row_at, n), place(column_at, k), m.w.K)];
      }
  };
  Parameter& kept = base_.parameters.add(std::move(made));
  for (long n = 0; n < e.rows; n += kPackRows)
    base_.parameters.add_packer([&kept, &m, n, e, row_at, column_at, turned] {
      matmul::pack(m.w, {kept.value.data(), Stored::f32, e.rows, e.columns, row_at, column_at, turned}, n, std::min(e.rows, n + kPackRows));
    });
}

void Sets::train_vector(const Placed& p) {
  Vector& v = *p.vector;
  v.gradient.resize(v.w.size(), 0.f);
  const long count = p.extent.rows;
  const int* at = p.rows();
  Parameter made;
  made.name = p.tensor->name, made.rows = 1, made.columns = count, made.vector = true;
  made.gather = [&v, at, count](long, long, float* out) {
    for (long i = 0; i < count; i++) out[i] = v.gradient[place(at, i)];
  };
  Parameter& kept = base_.parameters.add(std::move(made));
  for (long i = 0; i < count; i++) kept.value[i] = v.w[place(at, i)];
  base_.parameters.add_packer([&kept, &v, at, count] {
    for (long i = 0; i < count; i++) v.w[place(at, i)] = kept.value[i];
  });
}

// Every tensor of the checkpoint, in the order of the table; matrices begin with the numbers as stored.
void Sets::train_base(const Tensors& tensors) {
  for (const Placed& p : weights_.placed()) {
    if (p.vector) {
      train_vector(p);
      continue;
    }
    train_matrix(p);
    weights_.read_stored(tensors, *p.tensor, base_.parameters.all().back().value);
  }
}

// The factors of one group, of the targets that sit on it; those are taken out of `wanted`.
void Sets::make_group(Set& set, const Adapter& adapter, std::map<std::string, const AdapterTarget*>& wanted, size_t layer,
                      int group) const {
  const Linear& l = weights_.layers[layer].group[group];
  if (l.parts.empty()) return;
  lora_matmul::Group& g = set.groups[layer][group];
  g.K = l.weight.w.K, g.N = l.weight.w.N, g.inputs = l.parts[0]->extent.columns, g.input_at = l.parts[0]->column_at,
  g.scale = adapter.scale;
  std::vector<const AdapterTarget*> found;
  for (const Placed* p : l.parts) {
    const auto [outputs, inputs] = p->extent;
    const std::string name = layer_name(*p);
    const auto at = wanted.find(name);
    const AdapterTarget* t = at == wanted.end() ? nullptr : at->second;
    if (t && (long(t->a.size()) != t->rank * inputs || long(t->b.size()) != t->rank * outputs))
      throw Error("adapter_shape", name + ": expected A [" + std::to_string(t->rank) + ", " + std::to_string(inputs) + "] and B [" +
                                       std::to_string(outputs) + ", " + std::to_string(t->rank) + "]");
    g.targets.push_back({t ? t->rank : 0, 0, outputs, p->rows()});
    found.push_back(t);
    if (t) wanted.erase(at);
  }
  if (std::none_of(found.begin(), found.end(), [](const AdapterTarget* t) { return t; })) return;
  lora_matmul::prepare(g, options_.dtype, adapter.trained);
  for (size_t t = 0; t < found.size(); t++)
    if (found[t] && adapter.trained)
      train_factors(set, g, *l.parts[t], t, *found[t]);
    else if (found[t])
      lora_matmul::pack(g, int(t), found[t]->a.data(), found[t]->b.data());
}

std::unique_ptr<Set> Sets::make(const Adapter& adapter) const {
  if (adapter.name.empty()) throw Error("model_arguments", "an adapter needs a name");
  std::map<std::string, const AdapterTarget*> wanted;
  for (const AdapterTarget& t : adapter.targets)
    if (!wanted.emplace(t.name, &t).second) throw Error("adapter_target", t.name + " is named twice by one adapter");
  auto set = std::make_unique<Set>();
  set->scale = adapter.scale, set->dropout = adapter.dropout, set->trained = adapter.trained;
  set->groups.resize(weights_.layers.size());
  for (size_t i = 0; i < set->groups.size(); i++)
    for (int k = 0; k < kGroups; k++) make_group(*set, adapter, wanted, i, k);
  if (!wanted.empty()) throw Error("adapter_target", "the model has no linear layer named " + wanted.begin()->first);
  set->parameters.repack(team_);
  return set;
}

std::unique_ptr<Set> Sets::put(const std::string& name, std::unique_ptr<Set> set) {
  std::unique_ptr<Set>& place = adapters_[name];
  if (place && !place->head.w.empty()) give_head(*set, head(*place));  // replaced factors keep the head
  set->identity = ++last_identity_, revision_++;
  std::swap(place, set);
  return set;
}

std::unique_ptr<Set> Sets::take(const std::string& name) {
  const auto found = adapters_.find(name);
  if (found == adapters_.end()) throw Error("model_arguments", "no adapter is named " + name);
  std::unique_ptr<Set> gone = std::move(found->second);
  adapters_.erase(found), revision_++;
  return gone;
}

Set& Sets::find(const std::string& name) {
  if (name.empty()) return base_;
  const auto found = adapters_.find(name);
  if (found == adapters_.end() && name == "default") return base_;
  if (found == adapters_.end()) throw Error("model_arguments", "no adapter is named " + name);
  return *found->second;
}

void Sets::give_head(Set& s, const std::vector<float>& w) {
  revision_++;
  const bool had = !s.head.w.empty();
  s.head.w.assign(round32(network_.hidden), 0.f);
  std::copy(w.begin(), w.end(), s.head.w.begin());
  if (!s.trained) return;
  const std::string name = &s == &base_ ? "score.weight" : "base_model.model.score.weight";
  if (had) {
    s.parameters.find(name).value = w;
    return;
  }
  s.head.gradient.assign(s.head.w.size(), 0.f);
  Parameter p;
  p.name = name, p.rows = 1, p.columns = network_.hidden;
  p.gather = [&s, n = network_.hidden](long, long, float* out) { std::copy_n(s.head.gradient.begin(), n, out); };
  Parameter& kept = s.parameters.add(std::move(p));
  kept.value = w;
  s.parameters.add_packer([&s, &kept] { std::copy(kept.value.begin(), kept.value.end(), s.head.w.begin()); });
}

std::vector<float> Sets::head(const Set& s) const {
  return s.head.w.empty() ? std::vector<float>() : std::vector<float>(s.head.w.begin(), s.head.w.begin() + network_.hidden);
}

std::map<std::string, std::vector<NamedShape>> Sets::shapes() const {
  std::map<std::string, std::vector<NamedShape>> all;
  const auto list = [&](const std::string& name, const Set& s) {
    std::vector<NamedShape>& shapes = all[name];
    for (const Parameter& p : s.parameters.all())
      shapes.push_back({p.name, p.vector ? std::vector<long>{p.columns} : std::vector<long>{p.rows, p.columns}});
  };
  list("", base_);
  for (const auto& [name, s] : adapters_) list(name, *s);
  return all;
}

void Sets::zero_gradients(Set& s) {
  const auto zero = [](auto& v) { std::fill(v.begin(), v.end(), 0.f); };
  zero(s.head.gradient);
  for (auto& layer : s.groups)
    for (lora_matmul::Group& g : layer) zero(g.gradient_a), zero(g.gradient_b);
  if (&s == &base_) weights_.each([&](auto& part) { zero(part.gradient); });
}

void Sets::add_memory(std::map<std::string, size_t>& m) const {
  const auto packed = [](const matmul::Weights& w) { return w.forward.bytes() + w.backward.bytes(); };
  const auto optimizer = [&](const Set& s) {
    for (const Parameter& p : s.parameters.all()) m["optimizer"] += 12 * p.size();
  };
  optimizer(base_);
  for (const auto& [name, s] : adapters_) {
    optimizer(*s);
    for (const auto& layer : s->groups)
      for (const lora_matmul::Group& g : layer)
        m["adapter"] += packed(g.a) + packed(g.b), m["gradients"] += 4 * (g.gradient_a.size() + g.gradient_b.size());
  }
}

}  // namespace attune
