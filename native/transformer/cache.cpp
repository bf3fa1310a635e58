#include "transformer/cache.h"
#include "base/error.h"
#include "cpu/available.h"
#include <cmath>
#include <limits>

namespace attune {

size_t page_bytes(const Config& c, const Axes& a, DType dtype) { return size_t(c.kv_heads) * kPage * a.D * bytes_of(dtype); }

namespace {

// Rows are addressed by int: a page's number times its tokens.
constexpr double kMostPages = double(std::numeric_limits<int>::max() / kPage);

}  // namespace

PagedCache::PagedCache(Model& model, double pages, double beside, const char* what)
    : model_(model), page_bytes_(page_bytes(model.config, model.axes, model.options.dtype)), beside_(beside), what_(what) {
  if (model.config.encoder) throw Error("model_arguments", "an encoder writes no text: generation needs a decoder");
  if (pages > kMostPages)
    throw Error("out_of_memory", std::string(what) + ": more tokens are wanted than a cache can have, " +
                                     std::to_string(long(kMostPages) * kPage) + "; ask for fewer at once");
  pages_in_all_ = long(pages);
  check_room();
}

// Asked before anything is reserved: memory that is granted but not there ends the process later.
void PagedCache::check_room() const {
  const double wanted = 2 * double(model_.config.layers) * double(pages_in_all_) * double(page_bytes_) + beside_;
  cpu::require_memory(wanted, what_, "ask for fewer or shorter answers at once");
}

void PagedCache::reserve() {
  if (reserved_) return;
  check_room();
  keys_.clear(), values_.clear(), free_.clear();
  try {
    for (long i = 0; i < model_.config.layers; i++)
      for (std::vector<Memory>* pool : {&keys_, &values_}) {
        model_.check_stop();
        pool->emplace_back(size_t(pages_in_all_) * page_bytes_);
      }
  } catch (...) {
    keys_.clear(), values_.clear();
    throw;
  }
  owners_.assign(pages_in_all_, 0);
  for (long p = pages_in_all_ - 1; p >= 0; p--) free_.push_back(int(p));
  reserved_ = true;
}

void Chosen::check(Model& model) {
  const long now = model.identity(name);
  if (identity >= 0 && now != identity)
    throw Error("model_arguments",
                "the adapter '" + name + "' was set or removed since this generation or rollout began; start another one");
  identity = now;
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
