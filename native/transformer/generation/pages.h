// Which pages of a cache are free, and how many sequences share each: tokens that answers have in common are kept once.
#pragma once
#include "transformer/engine.h"

namespace attune {

// The adapter that a generation or a rollout began with. Keys and values of another one in the same cache would be text of neither.
struct Chosen {
  std::string name;
  long identity = -1;  // unknown before the first piece of work
  // Throws where there is none of the name, or another than before.
  void check(Engine& engine);
};

class Pages {
 public:
  // A pool of `pages`, all free; `beside` and `what`: Engine::cache.
  Pages(const Engine& engine, double pages, double beside, const char* what);
  // The memory of the pool, where work is done. Again: nothing.
  void reserve();
  Cache& cache() const { return *cache_; }
  size_t bytes() const { return cache_->bytes(); }
  long free_pages() const { return long(free_.size()); }
  int take();  // a free page, with one owner
  void share(int page) { owners_[page]++; }
  void release(int page);  // one owner less
  int copy(int page);      // a page of its own with the same contents

 private:
  long count_;
  std::unique_ptr<Cache> cache_;
  std::vector<int> free_, owners_;
  bool reserved_ = false;
};

}  // namespace attune
