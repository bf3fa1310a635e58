// 64-byte aligned memory, on huge pages where the system grants them: a 2 MiB page removes nearly all TLB misses of the panel walk.
#pragma once
#include "base/error.h"
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace attune {

class Memory {
 public:
  Memory() = default;
  explicit Memory(size_t bytes) { reserve(bytes); }
  ~Memory() { free(at_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  Memory(Memory&& o) noexcept : at_(std::exchange(o.at_, nullptr)), bytes_(std::exchange(o.bytes_, 0)) {}
  Memory& operator=(Memory&& o) noexcept {
    std::swap(at_, o.at_), std::swap(bytes_, o.bytes_);
    return *this;
  }
  // At least `bytes` of zeroed memory; what was held before is lost if it has to grow. Zero, because rows past the last token must stay finite.
  void reserve(size_t bytes) {
    if (bytes <= bytes_) return;
    free(at_), at_ = nullptr, bytes_ = 0;
    const bool huge = bytes >= (size_t(4) << 20);
    const size_t align = huge ? size_t(1) << 21 : 64;
    const size_t rounded = (bytes + 63) / 64 * 64 + 64;  // one line more: kernels may prefetch and read one vector past the end
    at_ = static_cast<char*>(aligned_alloc(align, (rounded + align - 1) / align * align));
    if (!at_) throw Error("out_of_memory", "no memory for a buffer of " + std::to_string(bytes >> 20) + " MiB");
#if defined(__linux__)
    if (huge) madvise(at_, rounded, MADV_HUGEPAGE);
#endif
    bytes_ = rounded - 64;
    memset(at_, 0, rounded);
  }
  void release() { free(at_), at_ = nullptr, bytes_ = 0; }
  size_t bytes() const { return bytes_; }
  template <class T> T* as(size_t offset_bytes = 0) const { return reinterpret_cast<T*>(at_ + offset_bytes); }

 private:
  char* at_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace attune
