// Keys and values of past tokens, a vector for each.
#pragma once
#include "transformer/plain/plain_engine.h"
#include <algorithm>

namespace attune {

struct PlainCache : Cache {
  long kv_heads, size;
  std::vector<std::vector<std::array<Doubles, 2>>> slots;  // by layer, then slot * kv_heads + head
  PlainCache(const Network& n, long pages) : kv_heads(n.kv_heads), size(pages * kPage * n.kv_heads), slots(n.layers) {}
  void reserve() override {
    for (auto& layer : slots) layer.resize(size);
  }
  void copy_page(int from, int to) override {
    for (auto& layer : slots) std::copy_n(&layer[from * kPage * kv_heads], kPage * kv_heads, &layer[to * kPage * kv_heads]);
  }
  size_t bytes() const override { return slots.size() * slots[0].size() * sizeof(slots[0][0]); }
  void put(long layer, long head, int slot, const Doubles& key, const Doubles& value) {
    slots[layer][slot * kv_heads + head] = {key, value};
  }
  // What row `row` sees: the tokens of its pages, its own the last.
  void seen(long layer, long head, const CachedRows& r, long row, long window, std::vector<const double*>& k,
            std::vector<const double*>& v) {
    const long length = r.lengths[row];
    for (long t = window ? std::max(0L, length - window) : 0; t < length; t++) {
      const auto& [key, value] = slots[layer][(r.pages[row * r.most_pages + t / kPage] * kPage + t % kPage) * kv_heads + head];
      k.push_back(key.data()), v.push_back(value.data());
    }
  }
};

}  // namespace attune
