// Rows whose keys and values go into a cache, and tokens drawn from what comes out.
#include "base/error.h"
#include "transformer/cpu/cpu_engine.h"
#include <cmath>

namespace attune {
namespace {

PagedCache::Shape cache_shape(const Network& n, const Axes& a, DType dtype) { return {dtype, n.layers, n.kv_heads, a.D}; }

}  // namespace

double cache_bytes(const Network& n, const Axes& a, DType dtype, double pages) {
  return 2 * double(n.layers) * pages * double(cache_shape(n, a, dtype).page_bytes());
}

std::unique_ptr<Cache> CpuEngine::cache(double pages, double beside, const char* what) const {
  if (network.encoder) throw Error("model_arguments", "an encoder writes no text: generation needs a decoder");
  return std::make_unique<PagedCache>(cache_shape(network, axes, options.dtype), long(pages), beside, what, [this] { check_stop(); });
}

// Where each row's key and value go first; then, of rows that read the cache, what they see. False: they attend to each other.
bool CpuEngine::attend_cached(long i, const void* qkv, void* out) {
  const attention::Cache cache = cache_->of_layer(i);
  const CachedRows& r = *cached_;
  const long rows = batch_.N();
  attention::append(team, cache, qkv, network.heads, cos_.as<float>(), sin_.as<float>(), r.slots.data(), rows);
  if (r.pages.empty()) return false;
  attention::decode(team, {cache, network.heads, qkv, cos_.as<float>(), sin_.as<float>(), r.pages.data(), r.most_pages, r.lengths.data(),
                           rows, network.windows[i], float(1 / std::sqrt(double(network.head_size))), 0.f, out});
  return true;
}

void CpuEngine::run_cached(const CachedRows& rows, Cache& cache) {
  Batch batch;
  batch.tokens = rows.tokens, batch.starts = rows.starts, batch.targets.assign(rows.tokens.size(), -1);
  ForwardOptions o;
  o.adapter = rows.adapter;
  start(batch, o);
  rotary_tables(rows.positions, rows.lengths);
  struct Reading {
    CpuEngine& engine;
    ~Reading() { engine.cached_ = nullptr, engine.cache_ = nullptr; }
  } reading{*this};
  cached_ = &rows, cache_ = &dynamic_cast<PagedCache&>(cache);
  run_layers();
  passed_ = true;
}

std::vector<sample::Choice> CpuEngine::choose(const Draws& d) {
  logits(d.rows, choice_logits_);
  std::vector<sample::Choice> choices(d.from.size());
  team.tasks(long(choices.size()), [&](long i, int) {
    sample::Options o = d.options;
    o.unit = d.unit[i];
    choices[i] = sample::run(&choice_logits_[d.from[i] * network.vocabulary], network.vocabulary, o);
  });
  return choices;
}

}  // namespace attune
