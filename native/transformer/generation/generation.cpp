#include "transformer/generation/generation.h"
#include "base/error.h"
#include <algorithm>

namespace attune {

namespace {

// Entries of the table of pages (rows, pages) that several tokens on a filled cache make: 16 MiB. Longer texts are fed in pieces.
constexpr long kMostTable = 4L << 20;

long pages_of(long tokens) { return (tokens + kPage - 1) / kPage; }

}  // namespace

Generation::Generation(Engine& engine, long capacity, std::string adapter)
    : engine_(engine),
      capacity_(capacity),
      adapter_{std::move(adapter)},
      pool_(engine, double(pages_of(capacity)), 0, "[startGeneration]") {}

void Generation::feed(const std::vector<int>& tokens) {
  const long n = long(tokens.size());
  if (length() + n > capacity_)
    throw Error("model_arguments",
                "the generation has room for " + std::to_string(capacity_) + " tokens, " + std::to_string(length() + n) + " were fed");
  adapter_.check(engine_);
  if (!n) return;
  pool_.reserve();
  while (pool_.free_pages()) pages_.push_back(pool_.take());
  const long most = length() ? std::max(1L, kMostTable / pages_of(length() + n)) : n;
  for (long done = 0; done < n; done += most) feed_piece(tokens.data() + done, std::min(most, n - done));
}

void Generation::feed_piece(const int* tokens, long n) {
  const long before = length(), used = pages_of(before + n);
  CachedRows rows;
  rows.adapter = adapter_.name, rows.tokens.assign(tokens, tokens + n), rows.starts = {0, int(n)};
  for (long i = 0; i < n; i++) {
    const long at = before + i;
    rows.slots.push_back(int(pages_[at / kPage] * kPage + at % kPage)), rows.positions.push_back(int(at));
    rows.lengths.push_back(before ? int(at + 1) : int(n));  // dynamic rotary: the length that this call, or this token, makes
    if (before) rows.pages.insert(rows.pages.end(), pages_.begin(), pages_.begin() + used);
  }
  rows.most_pages = before ? used : 0;
  engine_.run_cached(rows, pool_.cache());
  engine_.logits({int(n - 1)}, logits_);
  seen_.insert(seen_.end(), tokens, tokens + n);
}

sample::Choice Generation::sample(sample::Options o) const {
  if (logits_.empty()) throw Error("model_arguments", "sample needs at least one token fed before it");
  o.seen = seen_.data(), o.seen_count = long(seen_.size());
  return sample::run(logits_.data(), long(logits_.size()), o);
}

}  // namespace attune
