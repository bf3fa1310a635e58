#include "transformer/cpu/cpu_engine.h"
#include "base/error.h"

namespace attune {

CpuEngine::CpuEngine(const Network& n, const Options& o, const Tensors& tensors, const std::atomic<bool>& stop)
    : network_(n),
      options_(o),
      axes_(n),
      stop_(stop),
      team_(o.threads),
      weights_(network_, axes_, options_, team_, [this] { check_stop(); }),
      sets_(network_, options_, (weights_.load(tensors), weights_), team_, tensors),
      pass_(network_, options_, axes_, weights_, team_, [this] { check_stop(); }) {}

void CpuEngine::check_stop() const {
  if (stop_) throw Error("stopped", "the thread of JavaScript that asked for the work has ended");
}

// ---- Adapters and heads.

void CpuEngine::let_go(const Set& gone, const char* why) {
  state_.lose(why);
  pass_.forget(gone, sets_.base());
}

void CpuEngine::set_adapter(const Adapter& adapter) {
  std::unique_ptr<Set> set = sets_.make(adapter);
  state_.lose("an adapter was set since");
  if (const std::unique_ptr<Set> old = sets_.put(adapter.name, std::move(set))) pass_.forget(*old, sets_.base());
}

void CpuEngine::remove_adapter(const std::string& name) { let_go(*sets_.take(name), "an adapter was removed since"); }

void CpuEngine::set_head(const std::string& adapter, const std::vector<float>& w) {
  Set& s = sets_.find(adapter);
  if (!network_.writes()) throw Error("model_arguments", "an encoder has no score head");
  if (long(w.size()) != network_.hidden)
    throw Error("model_arguments", "the head: expected " + std::to_string(network_.hidden) + " numbers, got " + std::to_string(w.size()));
  state_.lose("a head was set since");
  sets_.give_head(s, w);
}

// ---- Passes.

void CpuEngine::start(const Batch& batch, const ForwardOptions& o) {
  Set& set = sets_.find(o.adapter);
  state_.lose("another pass (forward, logits, a generation or a rollout) ran since");
  pass_.start(batch, o, set);
}

void CpuEngine::forward(const Batch& batch, const ForwardOptions& o, Outputs& out) {
  start(batch, o);
  find_targets(batch, rows_, targets_);
  if (o.keep && !pass_.set().trained)
    throw Error("model_arguments",
                "nothing is trained here (train: 'none', or an adapter that is not); the pass cannot be kept for backward");
  if (!batch.scores.empty() && pass_.set().head.w.empty()) throw Error("model_arguments", "scores need a head: call setHead first");
  pass_.run();
  head_out_ = pass_.head(head_rows(), long(batch.scores.empty() ? rows_.size() : round32(long(rows_.size()))));
  give_outputs(out);
  if (o.keep) kept_outputs_ = out;
  state_.ran(o.keep);
}

void CpuEngine::backward(const Gradients& g) {
  state_.check_kept();
  check_gradients(kept_outputs_, g);
  state_.lose("a backward went through it already");
  char* const d = pass_.head_gradient();
  if (!rows_.empty()) vocabulary_back(g, d);
  if (!pass_.batch().scores.empty()) {
    const long first = round32(long(rows_.size()));
    std::vector<float>& dw = pass_.set().head.gradient;
    score::backward(score_arguments(), g.score->data(), d + first * axes_.H * bytes_of(options_.dtype), dw.empty() ? nullptr : dw.data());
  }
  pass_.backward();
}

// ---- Trained tensors.

void CpuEngine::step(const std::string& adapter, const adamw::Step& s) {
  Set& set = sets_.find(adapter);
  state_.lose("a step changed the weights since");
  set.parameters.step(team_, s), sets_.zero_gradients(set);
}

std::vector<float> CpuEngine::read(const std::string& adapter, const std::string& name, ParameterPart part) {
  const Parameter& p = sets_.find(adapter).parameters.find(name);
  if (part == ParameterPart::first) return p.first;
  if (part == ParameterPart::second) return p.second;
  if (part == ParameterPart::value) return p.value;
  std::vector<float> gradient(p.size());
  p.gather(0, p.rows, gradient.data());
  return gradient;
}

void CpuEngine::write(const std::string& adapter, const std::string& name, ParameterPart part, const std::vector<float>& values) {
  Parameters& all = sets_.find(adapter).parameters;
  Parameter& p = all.find(name);
  if (long(values.size()) != p.size())
    throw Error("model_arguments", "write " + name + ": values: expected a Float32Array of " + std::to_string(p.size()) + ", got one of " +
                                       std::to_string(values.size()));
  if (part == ParameterPart::gradient) throw Error("model_arguments", "write " + name + ": gradients are computed, never written");
  (part == ParameterPart::value ? p.value : part == ParameterPart::first ? p.first : p.second) = values;
  if (part != ParameterPart::value) return;
  state_.lose("weights were written since");
  all.repack(team_);
}

// ---- Generation.

static PagedCache::Shape cache_shape(const Network& n, const Axes& a, DType dtype) { return {dtype, n.layers, n.kv_heads, a.D}; }

double cache_bytes(const Network& n, const Axes& a, DType dtype, double pages) {
  return 2 * double(n.layers) * pages * double(cache_shape(n, a, dtype).page_bytes());
}

std::unique_ptr<Cache> CpuEngine::cache(double pages, double beside, const char* what) const {
  if (!network_.writes()) throw Error("model_arguments", "an encoder writes no text: generation needs a decoder");
  return std::make_unique<PagedCache>(cache_shape(network_, axes_, options_.dtype), long(pages), beside, what, [this] { check_stop(); });
}

void CpuEngine::run_cached(const CachedRows& rows, Cache& cache) {
  Batch batch;
  batch.tokens = rows.tokens, batch.starts = rows.starts, batch.targets.assign(rows.tokens.size(), -1);
  ForwardOptions o;
  o.adapter = rows.adapter;
  start(batch, o);
  pass_.run_cached(rows, dynamic_cast<PagedCache&>(cache));
  state_.ran(false);
}

void CpuEngine::logits(const std::vector<int>& rows, std::vector<float>& z) {
  state_.check_alive(), state_.lose_kept("its logits were asked for since");
  z.resize(rows.size() * network_.vocabulary);
  matmul::Product p{};
  p.a = pass_.head(rows, long(rows.size())), p.a_columns = axes_.H, p.w = &weights_.vocabulary.w, p.finish = matmul::Finish::store_float;
  p.c = z.data(), p.scale = 1, p.logical_columns = network_.vocabulary;
  pass_.head_rows([&](Run run) { matmul::rows(p, run.first, run.last, pass_.workspace(run.thread)); });
  const std::vector<float>& bias = weights_.vocabulary_bias.w;
  if (bias.empty()) return;
  for (size_t i = 0; i < z.size(); i++) z[i] += bias[i % size_t(network_.vocabulary)];
}

std::vector<sample::Choice> CpuEngine::choose(const Draws& d) {
  logits(d.rows, choice_logits_);
  std::vector<sample::Choice> choices(d.from.size());
  team_.tasks(long(choices.size()), [&](long i, int) {
    sample::Options o = d.options;
    o.unit = d.unit[i];
    choices[i] = sample::run(&choice_logits_[d.from[i] * network_.vocabulary], network_.vocabulary, o);
  });
  return choices;
}

}  // namespace attune
