#include "transformer/generation.h"
#include "base/error.h"
#include <cmath>

namespace attune {

constexpr long kPage = 32;  // tokens: a block of the rows layout

Generation::Generation(std::shared_ptr<Model> model, long capacity, std::string adapter)
    : model_(std::move(model)), capacity_(capacity), adapter_(std::move(adapter)) {
  const Model& m = *model_;
  const long pages = (capacity + kPage - 1) / kPage;
  const size_t bytes = size_t(pages) * m.config.kv_heads * kPage * m.axes.D * bytes_of(m.options.dtype);
  for (long i = 0; i < m.config.layers; i++) keys_.emplace_back(bytes), values_.emplace_back(bytes);
  for (long p = 0; p < pages; p++) pages_.push_back(int(p));
}

bool Generation::attend(long layer, const void* qkv, void* out) {
  Model& m = *model_;
  const long rows = long(slots_.size());
  const attention::Cache cache{m.options.dtype, m.config.kv_heads, m.axes.D, keys_[layer].as<char>(), values_[layer].as<char>()};
  attention::append(m.team, cache, qkv, m.config.heads, m.cos_.as<float>(), m.sin_.as<float>(), slots_.data(), rows);
  if (seen_.empty()) return false;  // all keys are those of this batch: the model attends as in training
  attention::decode(m.team, {cache, m.config.heads, qkv, m.cos_.as<float>(), m.sin_.as<float>(), page_rows_.data(), long(pages_.size()),
                             lengths_.data(), rows, m.config.windows[layer], float(1 / std::sqrt(double(m.config.head_size))), 0.f, out});
  return true;
}

void Generation::feed(const std::vector<int>& tokens) {
  Model& m = *model_;
  const long before = length(), n = long(tokens.size());
  if (before + n > capacity_)
    throw Error("model_arguments",
                "the generation has room for " + std::to_string(capacity_) + " tokens, " + std::to_string(before + n) + " were fed");
  if (!n) return;
  Batch batch;
  batch.tokens = tokens, batch.starts = {0, int(n)}, batch.targets.assign(n, -1);
  slots_.clear(), lengths_.clear(), page_rows_.clear();
  std::vector<int> positions, lengths;
  for (long i = 0; i < n; i++) {
    slots_.push_back(int(before + i)), positions.push_back(int(before + i)), lengths_.push_back(int(before + i + 1));
    lengths.push_back(before ? int(before + i + 1) : int(n));  // dynamic rotary: the length that this call, or this token, makes
    if (before) page_rows_.insert(page_rows_.end(), pages_.begin(), pages_.end());
  }
  ForwardOptions options;
  options.adapter = adapter_;
  m.start(batch, options);
  m.rotary_tables(positions, lengths);
  m.generation_ = this;
  try {
    m.run_layers();
  } catch (...) {
    m.generation_ = nullptr;
    throw;
  }
  m.generation_ = nullptr;
  logits_ = m.head_logits({int(n - 1)});
  seen_.insert(seen_.end(), tokens.begin(), tokens.end());
}

sample::Choice Generation::sample(sample::Options o) const {
  if (logits_.empty()) throw Error("model_arguments", "sample needs at least one token fed before it");
  o.seen = seen_.data(), o.seen_count = long(seen_.size());
  return sample::run(logits_.data(), long(logits_.size()), o);
}

}  // namespace attune
