#include "transformer/cpu/paged_cache.h"
#include "cpu/available.h"
#include <cstring>

namespace attune {

PagedCache::PagedCache(const Shape& shape, long pages, double beside, const char* what, std::function<void()> check_stop)
    : shape_(shape), pages_(pages), beside_(beside), what_(what), check_stop_(std::move(check_stop)) {
  check_room();
}

// Asked before anything is reserved: memory that is granted but not there ends the process later.
void PagedCache::check_room() const {
  const double wanted = 2 * double(shape_.layers) * double(pages_) * double(shape_.page_bytes()) + beside_;
  cpu::require_memory(wanted, what_, "ask for fewer or shorter answers at once");
}

void PagedCache::reserve() {
  if (!keys_.empty()) return;
  check_room();
  std::vector<Memory> keys, values;
  for (long i = 0; i < shape_.layers; i++)
    for (std::vector<Memory>* pool : {&keys, &values}) {
      check_stop_();
      pool->emplace_back(size_t(pages_) * shape_.page_bytes());
    }
  keys_ = std::move(keys), values_ = std::move(values);
}

void PagedCache::copy_page(int from, int to) {
  const size_t size = shape_.page_bytes();
  for (std::vector<Memory>* pool : {&keys_, &values_})
    for (Memory& m : *pool) memcpy(m.as<char>() + to * size, m.as<char>() + from * size, size);
}

}  // namespace attune
