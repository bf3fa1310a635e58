// Keys and values of past tokens in pages of 32, one pool for all sequences: a page belongs to as many sequences as share its tokens.
#pragma once
#include "transformer/model.h"

namespace attune {

constexpr long kPage = 32;  // tokens: a block of the rows layout

// Bytes of a page of one layer's keys, or of its values.
size_t page_bytes(const Config& c, const Axes& a, DType dtype);

class PagedCache {
 public:
  // A pool of `pages`, all free.
  PagedCache(Model& model, long pages);
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
  Model& model_;
  size_t page_bytes_;
  std::vector<Memory> keys_, values_;  // a layer each: (pages, kv_heads, 32, D)
  std::vector<int> free_, owners_;
  std::vector<int> slots_, pages_, lengths_;
  long max_pages_ = 0;
  bool decode_ = false;
};

}  // namespace attune
