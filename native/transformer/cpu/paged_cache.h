// Keys and values of past tokens in the CPU's memory.
#pragma once
#include "cpu/memory.h"
#include "kernels/attention/attention.h"
#include "transformer/engine.h"
#include <functional>
#include <vector>

namespace attune {

class PagedCache : public Cache {
 public:
  struct Shape {
    DType dtype;
    long layers, kv_heads, head;  // head: physical
    // Bytes of a page of one layer's keys, or of its values.
    size_t page_bytes() const { return size_t(kv_heads) * kPage * head * bytes_of(dtype); }
  };
  // `check_stop`: called between the parts of a reservation, which it ends by an exception.
  PagedCache(const Shape& shape, long pages, double beside, const char* what, std::function<void()> check_stop);
  void reserve() override;
  void copy_page(int from, int to) override;
  size_t bytes() const override { return 2 * keys_.size() * size_t(pages_) * shape_.page_bytes(); }
  attention::Cache of_layer(long i) const {
    return {shape_.dtype, shape_.kv_heads, shape_.head, keys_[i].as<char>(), values_[i].as<char>()};
  }

 private:
  void check_room() const;
  Shape shape_;
  long pages_;
  double beside_;
  const char* what_;
  std::function<void()> check_stop_;
  std::vector<Memory> keys_, values_;  // a layer each: (pages, kv_heads, 32, D); empty until reserved
};

}  // namespace attune
