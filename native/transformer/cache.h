// Keys and values of past tokens in pages of 32, one pool for all sequences: a page belongs to as many sequences as share its tokens.
#pragma once
#include "transformer/model.h"

namespace attune {

constexpr long kPage = 32;  // tokens: a block of the rows layout

// Bytes of a page of one layer's keys, or of its values.
size_t page_bytes(const Config& c, const Axes& a, DType dtype);

// The adapter that a generation or a rollout began with. Keys and values of another one in the same cache would be text of neither.
struct Chosen {
  std::string name;
  long identity = -1;  // unknown before the first piece of work
  // Throws where there is none of the name, or another than before.
  void check(Model& model);
};

class PagedCache {
 public:
  // A pool of `pages`, all free. Nothing is reserved yet; more than there is memory for is refused with `out_of_memory`. `beside`: bytes that its
  // owner needs too, `what` that owner, for the message.
  PagedCache(Model& model, double pages, double beside, const char* what);
  // The memory of the pool, zeroed: gigabytes at times, so where work is done. Once.
  void reserve();
  size_t bytes() const { return reserved_ ? 2 * keys_.size() * size_t(pages_in_all_) * page_bytes_ : 0; }
  long free_pages() const { return long(free_.size()); }
  int take();  // a free page, with one owner
  void share(int page) { owners_[page]++; }
  void release(int page);  // one owner less
  int copy(int page);      // a page of its own with the same contents
  // Rows about to run through the layers: where each one's key and value go, and what it sees. `decode`: it reads the cache (pages (rows,
  // max_pages), lengths its own token included); otherwise the batch attends to itself and only leaves its keys and values.
  void prepare(std::vector<int> slots) { slots_ = std::move(slots), decode_ = false; }
  void prepare(std::vector<int> slots, std::vector<int> pages, long max_pages, std::vector<int> lengths);
  // Called by the model where layer `i` attends; true when it attended over the cache.
  bool attend(long i, const void* qkv, void* out);

 private:
  void check_room() const;
  Model& model_;
  size_t page_bytes_;
  long pages_in_all_ = 0;
  double beside_;
  const char* what_;
  bool reserved_ = false;
  std::vector<Memory> keys_, values_;  // a layer each: (pages, kv_heads, 32, D)
  std::vector<int> free_, owners_;
  std::vector<int> slots_, pages_, lengths_;
  long max_pages_ = 0;
  bool decode_ = false;
};

}  // namespace attune
