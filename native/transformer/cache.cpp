#include "transformer/cache.h"
#include "base/error.h"
#include <cmath>

namespace attune {

size_t page_bytes(const Config& c, const Axes& a, DType dtype) { return size_t(c.kv_heads) * kPage * a.D * bytes_of(dtype); }

PagedCache::PagedCache(Model& model, long pages)
    : model_(model), page_bytes_(page_bytes(model.config, model.axes, model.options.dtype)), owners_(pages, 0) {
  if (model.config.encoder) throw Error("model_arguments", "an encoder writes no text: generation needs a decoder");
  for (long i = 0; i < model.config.layers; i++) keys_.emplace_back(pages * page_bytes_), values_.emplace_back(pages * page_bytes_);
  for (long p = pages - 1; p >= 0; p--) free_.push_back(int(p));
}

int PagedCache::take() {
  if (free_.empty()) throw Error("out_of_memory", "the key/value cache has no free page");
  const int page = free_.back();
  free_.pop_back();
  owners_[page] = 1;
  return page;
}

void PagedCache::release(int page) {
  if (--owners_[page] == 0) free_.push_back(page);
}

int PagedCache::copy(int page) {
  const int to = take();
  for (std::vector<Memory>* pool : {&keys_, &values_})
    for (Memory& m : *pool) memcpy(m.as<char>() + to * page_bytes_, m.as<char>() + page * page_bytes_, page_bytes_);
  return to;
}

void PagedCache::prepare(std::vector<int> slots, std::vector<int> pages, long max_pages, std::vector<int> lengths) {
  slots_ = std::move(slots), pages_ = std::move(pages), max_pages_ = max_pages, lengths_ = std::move(lengths), decode_ = true;
}

bool PagedCache::attend(long i, const void* qkv, void* out) {
  Model& m = model_;
  const long rows = long(slots_.size());
  const attention::Cache cache{m.options.dtype, m.config.kv_heads, m.axes.D, keys_[i].as<char>(), values_[i].as<char>()};
  attention::append(m.team, cache, qkv, m.config.heads, m.cos_.as<float>(), m.sin_.as<float>(), slots_.data(), rows);
  if (!decode_) return false;
  attention::decode(m.team, {cache, m.config.heads, qkv, m.cos_.as<float>(), m.sin_.as<float>(), pages_.data(), max_pages_, lengths_.data(),
                             rows, m.config.windows[i], float(1 / std::sqrt(double(m.config.head_size))), 0.f, out});
  return true;
}

// Runs a batch whose rows the cache was prepared for, each at its position; `lengths`: of the sequence that each row makes (dynamic rotary).
void Model::run_cached(const Batch& batch, const std::string& adapter, const std::vector<int>& positions, const std::vector<int>& lengths,
                       PagedCache& cache) {
  ForwardOptions options;
  options.adapter = adapter;
  start(batch, options);
  rotary_tables(positions, lengths);
  cache_ = &cache;
  try {
    run_layers();
  } catch (...) {
    cache_ = nullptr;
    throw;
  }
  cache_ = nullptr;
}

}  // namespace attune
