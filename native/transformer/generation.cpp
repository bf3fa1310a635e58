#include "transformer/generation.h"
#include "base/error.h"

namespace attune {

Generation::Generation(std::shared_ptr<Model> model, long capacity, std::string adapter)
    : model_(std::move(model)), capacity_(capacity), adapter_(std::move(adapter)), cache_(*model_, (capacity + kPage - 1) / kPage) {
  while (cache_.free_pages()) pages_.push_back(cache_.take());
}

void Generation::feed(const std::vector<int>& tokens) {
  const long before = length(), n = long(tokens.size());
  if (before + n > capacity_)
    throw Error("model_arguments",
                "the generation has room for " + std::to_string(capacity_) + " tokens, " + std::to_string(before + n) + " were fed");
  if (!n) return;
  Batch batch;
  batch.tokens = tokens, batch.starts = {0, int(n)}, batch.targets.assign(n, -1);
  std::vector<int> slots, positions, lengths, pages;
  for (long i = 0; i < n; i++) {
    const long at = before + i;
    slots.push_back(int(pages_[at / kPage] * kPage + at % kPage)), positions.push_back(int(at));
    lengths.push_back(before ? int(at + 1) : int(n));  // dynamic rotary: the length that this call, or this token, makes
    if (before) pages.insert(pages.end(), pages_.begin(), pages_.end());
  }
  if (before)
    cache_.prepare(std::move(slots), std::move(pages), long(pages_.size()), lengths);
  else
    cache_.prepare(std::move(slots));
  model_->run_cached(batch, adapter_, positions, lengths, cache_);
  model_->head_logits({int(n - 1)}, logits_);
  seen_.insert(seen_.end(), tokens.begin(), tokens.end());
}

sample::Choice Generation::sample(sample::Options o) const {
  if (logits_.empty()) throw Error("model_arguments", "sample needs at least one token fed before it");
  o.seen = seen_.data(), o.seen_count = long(seen_.size());
  return sample::run(logits_.data(), long(logits_.size()), o);
}

}  // namespace attune
