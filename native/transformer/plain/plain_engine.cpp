#include "base/error.h"
#include "transformer/plain/plain_cache.h"
#include <cmath>
#include <numeric>

namespace attune {
namespace {

PlainTensor& add(PlainSet& set, const std::string& name, long rows, long columns, bool vector, Doubles value) {
  const size_t n = value.size();
  return set.tensors.emplace_back(PlainTensor{name, rows, columns, vector, std::move(value), Doubles(n), Doubles(n), Doubles(n)});
}
std::string layer_name(const std::string& tensor) { return tensor.substr(0, tensor.rfind('.')); }

}  // namespace

// ---- Weights and sets.

PlainEngine::PlainEngine(const Network& n, const Options& o, const Tensors& tensors) : network_(n), options_(o) {
  base_.trained = o.train == Train::all;
  for (const NetworkTensor& t : network_.tensors) {
    const StoredTensor& s = find_stored(tensors, network_, t);
    const MappedFile file(s.path);
    const char* const data = file.bytes(s);
    Doubles value(s.shape.size() == 1 ? s.shape[0] : s.shape[0] * s.shape[1]);
    for (size_t i = 0; i < value.size(); i++)
      if (!std::isfinite(value[i] = stored_to_float(data, s.stored, long(i)))) not_finite(s);
    const bool vector = s.shape.size() == 1;
    add(base_, t.name, vector ? 1 : s.shape[0], s.shape.back(), vector, std::move(value));
  }
}

PlainSet& PlainEngine::find(const std::string& name) {
  const auto found = adapters_.find(name);
  if (found != adapters_.end()) return found->second;
  if (!name.empty() && name != "default") throw Error("model_arguments", "no adapter is named " + name);
  return base_;
}

PlainTensor* PlainEngine::placed(Place place, long layer, bool bias) const {
  for (size_t i = 0; i < network_.tensors.size(); i++) {
    const NetworkTensor& t = network_.tensors[i];
    if (t.bias == bias && t.layer == layer && std::find(t.places.begin(), t.places.end(), place) != t.places.end())
      return const_cast<PlainTensor*>(&base_.tensors[i]);
  }
  return nullptr;
}

PlainTensor* PlainEngine::norm_weight(long i, int which, bool bias) const {
  if (i == network_.layers) return placed(which == kLastNorm ? Place::last_norm : Place::head_norm, 0, bias);
  static const Place places[] = {Place::norm1, Place::norm2, Place::query_norm, Place::key_norm};
  return placed(places[which], i, bias);
}

std::vector<PlainPart> PlainEngine::parts(long i, int group) const {
  static const std::vector<Place> of[] = {
      {Place::query, Place::key, Place::value}, {Place::output}, {Place::gate, Place::up}, {Place::down}};
  const bool head = i == network_.layers;
  std::vector<PlainPart> all;
  long at = 0;
  for (const Place p : head ? std::vector<Place>{Place::head_dense} : of[group]) {
    PlainTensor* const w = placed(p, head ? 0 : i, false);
    if (!w) continue;
    const NetworkTensor& t =
        network_.tensors[std::find_if(base_.tensors.begin(), base_.tensors.end(), [&](auto& one) { return &one == w; }) -
                         base_.tensors.begin()];
    if (!all.empty() && all.back().weight == w) continue;
    const long outputs = t.transposed ? w->columns : w->rows, inputs = t.transposed ? w->rows : w->columns;
    all.push_back({w, placed(p, head ? 0 : i, true), layer_name(w->name), outputs, inputs, at, t.transposed});
    at += outputs;
  }
  return all;
}

void PlainEngine::set_adapter(const Adapter& a) {
  PlainSet set;
  set.scale = a.scale, set.dropout = a.dropout, set.trained = a.trained;
  for (const AdapterTarget& t : a.targets) {
    const long inputs = long(t.a.size()) / t.rank, outputs = long(t.b.size()) / t.rank;
    PlainTensor& A = add(set, "base_model.model." + t.name + ".lora_A.weight", t.rank, inputs, false, Doubles(t.a.begin(), t.a.end()));
    PlainTensor& B = add(set, "base_model.model." + t.name + ".lora_B.weight", outputs, t.rank, false, Doubles(t.b.begin(), t.b.end()));
    set.factors[t.name] = {&A, &B};
  }
  state_.lose("an adapter was set since");
  set.identity = ++last_identity_, revision_++;
  const std::vector<float> w = adapters_.count(a.name) ? head(a.name) : std::vector<float>();
  set_ = &base_, adapters_[a.name] = std::move(set);
  if (!w.empty()) set_head(a.name, w);
}

void PlainEngine::remove_adapter(const std::string& name) {
  set_ = &base_, state_.lose("an adapter was removed since"), revision_++;
  if (!adapters_.erase(name)) throw Error("model_arguments", "no adapter is named " + name);
}

void PlainEngine::set_head(const std::string& adapter, const std::vector<float>& w) {
  PlainSet& s = find(adapter);
  if (!network_.writes()) throw Error("model_arguments", "an encoder has no score head");
  state_.lose("a head was set since"), revision_++;
  const std::string name = &s == &base_ ? "score.weight" : "base_model.model.score.weight";
  if (!s.head) s.head = &add(s, name, 1, network_.hidden, false, Doubles(w.size()));
  s.head->value.assign(w.begin(), w.end());
}

std::vector<float> PlainEngine::head(const std::string& adapter) {
  const PlainTensor* const h = find(adapter).head;
  return h ? std::vector<float>(h->value.begin(), h->value.end()) : std::vector<float>();
}

// ---- What is trained.

PlainTensor& PlainEngine::named(const std::string& adapter, const std::string& name) {
  PlainSet& s = find(adapter);
  for (PlainTensor& t : s.tensors)
    if (t.name == name && s.trained) return t;
  throw Error("model_arguments", "no trained tensor is named " + name);
}

std::map<std::string, std::vector<NamedShape>> PlainEngine::parameters() const {
  std::map<std::string, std::vector<NamedShape>> all;
  const auto list = [&](const std::string& name, const PlainSet& s) {
    all[name];
    for (const PlainTensor& t : s.tensors)
      if (s.trained) all[name].push_back({t.name, t.vector ? std::vector<long>{t.columns} : std::vector<long>{t.rows, t.columns}});
  };
  list("", base_);
  for (const auto& [name, s] : adapters_) list(name, s);
  return all;
}

std::vector<float> PlainEngine::read(const std::string& adapter, const std::string& name, ParameterPart part) {
  const PlainTensor& t = named(adapter, name);
  const Doubles* const parts[] = {&t.value, &t.gradient, &t.first, &t.second};
  return {parts[int(part)]->begin(), parts[int(part)]->end()};
}

void PlainEngine::write(const std::string& adapter, const std::string& name, ParameterPart part, const std::vector<float>& values) {
  PlainTensor& t = named(adapter, name);
  Doubles* const parts[] = {&t.value, &t.gradient, &t.first, &t.second};
  if (values.size() != t.value.size())
    throw Error("model_arguments", "write " + name + ": expected " + std::to_string(t.value.size()) + " numbers");
  state_.lose("weights were written since"), parts[int(part)]->assign(values.begin(), values.end());
}

void PlainEngine::zero_gradients(const std::string& adapter) {
  for (PlainTensor& t : find(adapter).tensors) std::fill(t.gradient.begin(), t.gradient.end(), 0.);
}

double PlainEngine::gradient_norm(const std::string& adapter) {
  double sum = 0;
  for (const PlainTensor& t : find(adapter).tensors)
    for (const double g : t.gradient) sum += g * g;
  return std::sqrt(sum);
}

void PlainEngine::step(const std::string& adapter, const adamw::Step& s) {
  state_.lose("a step changed the weights since");
  for (PlainTensor& t : find(adapter).tensors)
    for (size_t i = 0; i < t.value.size(); i++) {
      const double g = s.scale * t.gradient[i];
      t.first[i] += (1 - s.beta1) * (g - t.first[i]), t.second[i] += (1 - s.beta2) * (g * g - t.second[i]);
      const double first = t.first[i] / (1 - std::pow(s.beta1, s.t)), second = t.second[i] / (1 - std::pow(s.beta2, s.t));
      t.value[i] -= s.rate * (first / (std::sqrt(second) + s.eps) + (t.vector ? 0 : s.decay * t.value[i]));
    }
  zero_gradients(adapter);
}

// ---- A pass.

long PlainEngine::width(Width w) const {
  const long heads = network_.heads * network_.head_size, kv = network_.kv_heads * network_.head_size;
  const std::map<Width, long> all = {{Width::hidden, network_.hidden},
                                     {Width::inner, network_.inner},
                                     {Width::queries, heads},
                                     {Width::up, network_.gated ? 2 * network_.inner : network_.inner},
                                     {Width::qkv, heads + 2 * kv}};
  return all.at(w);
}

Doubles& PlainEngine::at(long i, int number) {
  const Buffer& b = buffer_list(network_).all[number];
  const bool head = b.life == Life::head || b.life == Life::head_back;
  const long layer = b.life == Life::in ? i : b.life == Life::out ? i + 1 : b.life == Life::kept ? i : 0;
  Doubles& x = buffers_[{layer, b.life == Life::out ? buffer_list(network_).input : number}];
  x.resize((head ? long(head_at_.size()) : batch_.N()) * width(b.width));
  return x;
}

void PlainEngine::start(const Batch& batch, const ForwardOptions& o) {
  PlainSet& set = find(o.adapter);
  check_batch(network_, batch, o);
  state_.lose("another pass (forward, logits, a generation or a rollout) ran since");
  set_ = &set, batch_ = batch, forward_ = o, head_at_.clear(), places_.clear(), keys_.clear();
  forward_.dropout = o.dropout && set.dropout > 0;
  for (size_t s = 0; s + 1 < batch.starts.size(); s++)
    for (long t = batch.starts[s]; t < batch.starts[s + 1]; t++) {
      places_.push_back(batch.positions.empty() ? int(t) - batch.starts[s] : batch.positions[t]);
      const int key = batch.keys.empty() ? int(s) : batch.keys[long(batch.keys.size()) == batch.N() ? t : long(s)];
      keys_.push_back(uint64_t(key) << 32 | uint32_t(places_.back()));
    }
}

void PlainEngine::run(const std::vector<int>& positions, const std::vector<int>& lengths) {
  const long half = network_.head_size / 2, H = network_.hidden, N = batch_.N();
  cos_.assign(N, std::vector<float>(half)), sin_ = cos_;
  Floats f;
  float factor = 1;
  for (long t = 0; t < N && network_.positions == PositionKind::rotary; t++) {
    if (!t || lengths[t] != lengths[t - 1]) rotary::frequencies(network_.rotary, lengths[t], f, factor);
    rotary::row(f, factor, positions[t], half, cos_[t].data(), sin_[t].data());
  }
  const PlainTensor *const table = placed(Place::positions, 0, false), *const types = placed(Place::types, 0, false);
  Doubles& x = at(0, buffer_list(network_).input);
  for (long t = 0; t < N; t++)
    for (long k = 0; k < H; k++)
      x[t * H + k] = placed(Place::words, 0, false)->value[batch_.tokens[t] * H + k] + (table ? table->value[places_[t] * H + k] : 0) +
                     (types ? types->value[k] : 0);
  with_block(network_, [&](auto block) {
    for (long i = 0; i < network_.layers; i++) block.forward(*this, i);
  });
}

void PlainEngine::run_head(std::vector<int> rows, long logits) {
  head_at_ = std::move(rows), head_logits_ = logits;
  with_block(network_, [&](auto block) { block.head(*this, network_.layers); });
}

Doubles PlainEngine::row_logits(long r) {
  const PlainTensor* w = placed(Place::vocabulary, 0, false);
  const PlainTensor* const bias = placed(Place::vocabulary, 0, true);
  if (!w) w = placed(Place::words, 0, false);
  const long H = network_.hidden;
  const double* const x = &at(network_.layers, buffer_list(network_).head_out)[r * H];
  Doubles z(network_.vocabulary);
  for (long v = 0; v < network_.vocabulary; v++) {
    z[v] = bias ? bias->value[v] : 0;
    for (long k = 0; k < H; k++) z[v] += x[k] * w->value[v * H + k];
  }
  return z;
}

void PlainEngine::forward(const Batch& batch, const ForwardOptions& o, Outputs& out) {
  start(batch, o);
  if (o.keep && !set_->trained) throw Error("model_arguments", "nothing is trained here; the pass cannot be kept for backward");
  if (!batch.scores.empty() && !set_->head) throw Error("model_arguments", "scores need a head: call setHead first");
  std::vector<int> lengths(batch.N());
  for (size_t s = 0; s + 1 < batch.starts.size(); s++)
    std::fill(&lengths[batch.starts[s]], &lengths[0] + batch.starts[s + 1], batch.starts[s + 1] - batch.starts[s]);
  run(places_, lengths);
  find_targets(batch, rows_, targets_);
  std::vector<int> read = rows_;
  read.insert(read.end(), batch.scores.begin(), batch.scores.end());
  run_head(read, long(rows_.size()));
  const long R = long(rows_.size()), V = network_.vocabulary, K = R ? long(batch.candidates.size()) / R : 0;
  out = {};
  for (long r = 0; r < R; r++) {
    const Doubles z = row_logits(r);
    double top = z[0], sum = 0, along = 0, mean = 0;
    for (const double one : z) top = std::max(top, one);
    for (const double one : z) sum += std::exp(one - top), along += std::exp(one - top) * one, mean += one / double(V);
    const double lse = top + std::log(sum);
    out.logprob.push_back(float(z[targets_[r]] - lse)), out.lse.push_back(float(lse));
    if (o.entropy) out.entropy.push_back(float(lse - along / sum));
    if (o.mean) out.mean.push_back(float(mean));
    for (long k = 0; k < K; k++) out.candidates.push_back(float(z[batch.candidates[r * K + k]] - lse));
    std::vector<int> order(V);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return z[a] > z[b]; });
    for (long k = 0; k < o.top; k++) out.top_ids.push_back(order[k]), out.top.push_back(float(z[order[k]] - lse));
  }
  const double* const x = at(network_.layers, buffer_list(network_).head_out).data();
  for (size_t s = 0; s < batch.scores.size(); s++)
    out.score.push_back(
        float(std::inner_product(set_->head->value.begin(), set_->head->value.end(), x + (R + long(s)) * network_.hidden, 0.)));
  if (o.keep) kept_outputs_ = out;
  state_.ran(o.keep);
}

void PlainEngine::backward(const Gradients& g) {
  state_.check_kept(), check_gradients(kept_outputs_, g);
  state_.lose("a backward went through it already");
  const long L = network_.layers, H = network_.hidden, R = long(rows_.size()), V = network_.vocabulary;
  const BufferList list = buffer_list(network_);
  Doubles &d = at(L, list.head_gradient), &x = at(L, list.head_out);
  std::fill(d.begin(), d.end(), 0.);
  PlainTensor *w = placed(Place::vocabulary, 0, false), *bias = placed(Place::vocabulary, 0, true);
  if (!w) w = placed(Place::words, 0, false);
  const long K = R ? long(batch_.candidates.size()) / R : 0;
  for (long r = 0; r < R; r++) {
    const Doubles z = row_logits(r);
    const double lse = kept_outputs_.lse[r], entropy = g.entropy ? kept_outputs_.entropy[r] : 0;
    double of_lse = -double(g.logprob[r]) + (g.lse ? (*g.lse)[r] : 0);
    for (long k = 0; k < K; k++) of_lse -= (*g.candidates)[r * K + k];
    Doubles dz(V);
    for (long v = 0; v < V; v++) {
      const double p = std::exp(z[v] - lse);
      dz[v] = of_lse * p + (g.mean ? double((*g.mean)[r]) / double(V) : 0) -
              (g.entropy ? double((*g.entropy)[r]) * p * (z[v] - lse + entropy) : 0);
    }
    dz[targets_[r]] += g.logprob[r];
    for (long k = 0; k < K; k++) dz[batch_.candidates[r * K + k]] += (*g.candidates)[r * K + k];
    for (long v = 0; v < V; v++) {
      for (long k = 0; k < H; k++) d[r * H + k] += dz[v] * w->value[v * H + k], w->gradient[v * H + k] += dz[v] * x[r * H + k];
      if (bias) bias->gradient[v] += dz[v];
    }
  }
  for (size_t s = 0; s < batch_.scores.size(); s++)
    for (long k = 0, row = R + long(s); k < H; k++) {
      d[row * H + k] = (*g.score)[s] * set_->head->value[k];
      set_->head->gradient[k] += (*g.score)[s] * x[row * H + k];
    }
  with_block(network_, [&](auto block) {
    block.head_back(*this, L);
    Doubles& rows = at(0, list.input_gradient);
    std::fill(rows.begin(), rows.end(), 0.);
    for (size_t r = 0; r < head_at_.size(); r++)
      for (long k = 0; k < H; k++) rows[head_at_[r] * H + k] += d[long(r) * H + k];
    for (long i = L - 1; i >= 0; i--) block.backward(*this, i);
  });
  embed_back(list.input_gradient);
  if (!base_.trained) zero_gradients("");
}

void PlainEngine::embed_back(int d) {
  const long H = network_.hidden;
  PlainTensor *const table = placed(Place::positions, 0, false), *const types = placed(Place::types, 0, false);
  for (long t = 0; t < batch_.N(); t++)
    for (long k = 0; k < H; k++) {
      const double g = at(0, d)[t * H + k];
      placed(Place::words, 0, false)->gradient[batch_.tokens[t] * H + k] += g;
      if (table) table->gradient[places_[t] * H + k] += g;
      if (types) types->gradient[k] += g;
    }
}

// ---- Generation.

std::unique_ptr<Cache> PlainEngine::cache(double pages, double, const char*) const {
  if (!network_.writes()) throw Error("model_arguments", "an encoder writes no text: generation needs a decoder");
  return std::make_unique<PlainCache>(network_, long(pages));
}

void PlainEngine::run_cached(const CachedRows& rows, Cache& cache) {
  Batch batch;
  batch.tokens = rows.tokens, batch.starts = rows.starts;
  ForwardOptions o;
  o.adapter = rows.adapter;
  start(batch, o);
  cached_ = &rows, cache_ = &dynamic_cast<PlainCache&>(cache);
  run(rows.positions, rows.lengths);
  cached_ = nullptr, cache_ = nullptr;
  state_.ran(false);
}

void PlainEngine::logits(const std::vector<int>& rows, std::vector<float>& out) {
  state_.check_alive(), state_.lose_kept("its logits were asked for since");
  run_head(rows, long(rows.size()));
  out.clear();
  for (size_t r = 0; r < rows.size(); r++)
    for (const double z : row_logits(long(r))) out.push_back(float(z));
}

std::vector<sample::Choice> PlainEngine::choose(const Draws& d) {
  std::vector<float> z;
  std::vector<sample::Choice> choices;
  logits(d.rows, z);
  for (size_t i = 0; i < d.from.size(); i++) {
    sample::Options o = d.options;
    o.unit = d.unit[i], choices.push_back(sample::run(&z[d.from[i] * network_.vocabulary], network_.vocabulary, o));
  }
  return choices;
}

std::map<std::string, size_t> PlainEngine::memory() const {
  size_t numbers = 0;
  for (const PlainTensor& t : base_.tensors) numbers += 4 * t.value.size();
  return {{"weights", numbers * sizeof(double)}};
}

}  // namespace attune
