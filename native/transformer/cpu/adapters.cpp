// Adapters and heads: made, replaced, removed.
#include "base/error.h"
#include "transformer/cpu/cpu_engine.h"
#include <algorithm>

namespace attune {

static long place(const int* at, long i) { return at ? at[i] : i; }

void CpuEngine::train_adapter(AdapterSet& set, lora_matmul::Group& group, const Part& part, size_t target, const AdapterTarget& a) {
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

// The factors of one group, of the targets that sit on it; those are taken out of `wanted`.
void CpuEngine::make_group(AdapterSet& set, const Adapter& adapter, std::map<std::string, const AdapterTarget*>& wanted, long i,
                           int group) const {
  const Linear& l = *linear(i, group);
  lora_matmul::Group& g = set.groups[i][group];
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
  if (std::none_of(found.begin(), found.end(), [](const AdapterTarget* t) { return t; })) return;
  lora_matmul::prepare(g, options.dtype, adapter.trained);
  for (size_t t = 0; t < found.size(); t++)
    if (found[t] && adapter.trained)
      train_adapter(set, g, l.parts[t], t, *found[t]);
    else if (found[t])
      lora_matmul::pack(g, int(t), found[t]->a.data(), found[t]->b.data());
}

// Made apart from the model, so that an adapter that does not fit leaves everything as it was.
std::unique_ptr<AdapterSet> CpuEngine::make_set(const Adapter& adapter) const {
  std::map<std::string, const AdapterTarget*> wanted;
  for (const AdapterTarget& t : adapter.targets)
    if (!wanted.emplace(t.name, &t).second) throw Error("adapter_target", t.name + " is named twice by one adapter");
  auto set = std::make_unique<AdapterSet>();
  set->scale = adapter.scale, set->dropout = adapter.dropout, set->trained = adapter.trained;
  set->groups.resize(network.layers + (network.encoder ? 1 : 0));
  for (long i = 0; i < long(set->groups.size()); i++)
    for (int k = 0; k < 4 && linear(i, k); k++) make_group(*set, adapter, wanted, i, k);
  if (!wanted.empty()) throw Error("adapter_target", "the model has no linear layer named " + wanted.begin()->first);
  return set;
}

void CpuEngine::set_adapter(const Adapter& adapter) {
  if (adapter.name.empty()) throw Error("model_arguments", "an adapter needs a name");
  std::unique_ptr<AdapterSet> set = make_set(adapter);
  set->parameters.repack(team);
  std::unique_ptr<AdapterSet>& place = adapters_[adapter.name];
  if (place && !place->head.w.empty())  // replaced factors keep the head
    give_head(*set, std::vector<float>(place->head.w.begin(), place->head.w.begin() + network.hidden));
  lose_pass("an adapter was set since");
  if (active_ == place.get()) active_ = &base_;
  set->identity = ++last_identity_, revision_++;
  place = std::move(set);
}

void CpuEngine::remove_adapter(const std::string& name) {
  const auto found = adapters_.find(name);
  if (found == adapters_.end()) throw Error("model_arguments", "no adapter is named " + name);
  lose_pass("an adapter was removed since");
  if (active_ == found->second.get()) active_ = &base_;
  adapters_.erase(found), revision_++;
}

AdapterSet& CpuEngine::set(const std::string& adapter) {
  if (adapter.empty()) return base_;
  const auto found = adapters_.find(adapter);
  if (found == adapters_.end() && adapter == "default") return base_;
  if (found == adapters_.end()) throw Error("model_arguments", "no adapter is named " + adapter);
  return *found->second;
}

void CpuEngine::set_head(const std::string& adapter, const std::vector<float>& w) {
  AdapterSet& s = set(adapter);
  if (network.encoder) throw Error("model_arguments", "an encoder has no score head");
  if (long(w.size()) != network.hidden)
    throw Error("model_arguments", "the head: expected " + std::to_string(network.hidden) + " numbers, got " + std::to_string(w.size()));
  lose_pass("a head was set since");
  give_head(s, w), revision_++;
}

void CpuEngine::give_head(AdapterSet& s, const std::vector<float>& w) {
  const bool had = !s.head.w.empty();
  s.head.w.assign(axes.H, 0.f);
  std::copy(w.begin(), w.end(), s.head.w.begin());
  const std::string name = &s == &base_ ? "score.weight" : "base_model.model.score.weight";
  if (!trained(s)) return;
  if (had) {
    s.parameters.find(name).value = w;
    return;
  }
  s.head.gradient.assign(axes.H, 0.f);
  Parameter p;
  p.name = name, p.rows = 1, p.columns = network.hidden;
  p.gather = [&s, n = network.hidden](long, long, float* out) { std::copy(s.head.gradient.begin(), s.head.gradient.begin() + n, out); };
  Parameter& kept = s.parameters.add(std::move(p));
  kept.value = w;
  s.parameters.add_packer([&s, &kept] { std::copy(kept.value.begin(), kept.value.end(), s.head.w.begin()); });
}

std::vector<float> CpuEngine::head(const std::string& adapter) {
  const AdapterSet& s = set(adapter);
  return s.head.w.empty() ? std::vector<float>() : std::vector<float>(s.head.w.begin(), s.head.w.begin() + network.hidden);
}

}  // namespace attune
