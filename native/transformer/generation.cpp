#include "transformer/generation.h"
#include "base/error.h"
#include <algorithm>

namespace attune {

namespace {

// Entries of the table of pages (rows, pages) that several tokens on a filled cache make: 16 MiB. Longer texts are fed in pieces.
constexpr long kMostTable = 4L << 20;

long pages_of(long tokens) { return (tokens + kPage - 1) / kPage; }

}  // namespace

Generation::Generation(Model& model, long capacity, std::string adapter)
    : model_(model), capacity_(capacity), adapter_{std::move(adapter)}, cache_(model, double(pages_of(capacity)), 0, "[startGeneration]") {}

void Generation::feed(const std::vector<int>& tokens) {
  const long n = long(tokens.size());
  if (length() + n > capacity_)
    throw Error("model_arguments",
                "the generation has room for " + std::to_string(capacity_) + " tokens, " + std::to_string(length() + n) + " were fed");
  adapter_.check(model_);
  if (!n) return;
  cache_.reserve();
  while (cache_.free_pages()) pages_.push_back(cache_.take());
  const long most = length() ? std::max(1L, kMostTable / pages_of(length() + n)) : n;
  for (long done = 0; done < n; done += most) feed_piece(tokens.data() + done, std::min(most, n - done));
}

void Generation::feed_piece(const int* tokens, long n) {
  const long before = length(), used = pages_of(before + n);
  Batch batch;
  batch.tokens.assign(tokens, tokens + n), batch.starts = {0, int(n)}, batch.targets.assign(n, -1);
  std::vector<int> slots, positions, lengths, pages;
  for (long i = 0; i < n; i++) {
    const long at = before + i;
    slots.push_back(int(pages_[at / kPage] * kPage + at % kPage)), positions.push_back(int(at));
    lengths.push_back(before ? int(at + 1) : int(n));  // dynamic rotary: the length that this call, or this token, makes
    if (before) pages.insert(pages.end(), pages_.begin(), pages_.begin() + used);
  }
  if (before)
    cache_.prepare(std::move(slots), std::move(pages), used, lengths);
  else
    cache_.prepare(std::move(slots));
  model_.run_cached(batch, adapter_.name, positions, lengths, cache_);
  model_.head_logits({int(n - 1)}, logits_);
  seen_.insert(seen_.end(), tokens, tokens + n);
}

sample::Choice Generation::sample(sample::Options o) const {
  if (logits_.empty()) throw Error("model_arguments", "sample needs at least one token fed before it");
  o.seen = seen_.data(), o.seen_count = long(seen_.size());
  return sample::run(logits_.data(), long(logits_.size()), o);
}

}  // namespace attune
