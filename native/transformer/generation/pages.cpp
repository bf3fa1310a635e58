#include "transformer/generation/pages.h"
#include "base/error.h"
#include <limits>

namespace attune {
namespace {

// Rows are addressed by int: a page's number times its tokens.
constexpr double kMostPages = double(std::numeric_limits<int>::max() / kPage);

long checked_count(double pages, const char* what) {
  if (pages > kMostPages)
    throw Error("out_of_memory", std::string(what) + ": more tokens are wanted than a cache can have, " +
                                     std::to_string(long(kMostPages) * kPage) + "; ask for fewer at once");
  return long(pages);
}

}  // namespace

void Chosen::check(Engine& engine) {
  const long now = engine.identity(name);
  if (identity >= 0 && now != identity)
    throw Error("model_arguments",
                "the adapter '" + name + "' was set or removed since this generation or rollout began; start another one");
  identity = now;
}

Pages::Pages(const Engine& engine, double pages, double beside, const char* what)
    : count_(checked_count(pages, what)), cache_(engine.cache(pages, beside, what)) {}

void Pages::reserve() {
  if (reserved_) return;
  cache_->reserve();
  owners_.assign(count_, 0), free_.clear();
  for (long p = count_ - 1; p >= 0; p--) free_.push_back(int(p));
  reserved_ = true;
}

int Pages::take() {
  if (free_.empty()) throw Error("out_of_memory", "the key/value cache has no free page");
  const int page = free_.back();
  free_.pop_back();
  owners_[page] = 1;
  return page;
}

void Pages::release(int page) {
  if (--owners_[page] == 0) free_.push_back(page);
}

int Pages::copy(int page) {
  const int to = take();
  cache_->copy_page(page, to);
  return to;
}

}  // namespace attune
