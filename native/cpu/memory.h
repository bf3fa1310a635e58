// 64-byte aligned, zeroed memory. A block of 128 KiB and more is a mapping of its own: it goes back to the system when it is let go, where an
// allocator keeps one heap a thread whose holes no later model fits (30 loads of a model of 270 MiB left 690 MiB behind). Blocks of 4 MiB and
// more lie on huge pages where the system grants them: a 2 MiB page removes nearly all TLB misses of the panel walk.
#pragma once
#include <cstddef>
#include <utility>

namespace attune {

class Memory {
 public:
  // Where glibc begins to map, before it raises that bound to the largest block it saw freed (up to 32 MiB): the reason for doing it here.
  static constexpr size_t kMapped = size_t(128) << 10;
  // Two huge pages: a smaller block could hold none whose alignment is worth its price.
  static constexpr size_t kHuge = size_t(4) << 20;

  Memory() = default;
  explicit Memory(size_t bytes) { reserve(bytes); }
  ~Memory() { release(); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  Memory(Memory&& o) noexcept : at_(std::exchange(o.at_, nullptr)), bytes_(std::exchange(o.bytes_, 0)) {}
  Memory& operator=(Memory&& o) noexcept {
    std::swap(at_, o.at_), std::swap(bytes_, o.bytes_);
    return *this;
  }
  // At least `bytes` of zeroed memory; what was held before is lost if it has to grow. Zero, because rows past the last token must stay finite.
  // Throws out_of_memory.
  void reserve(size_t bytes);
  void release();
  size_t bytes() const { return bytes_; }
  template <class T> T* as(size_t offset_bytes = 0) const { return reinterpret_cast<T*>(at_ + offset_bytes); }

 private:
  char* at_ = nullptr;
  size_t bytes_ = 0;  // a multiple of 64; a line more is there, see memory.cpp
};

// Gives what the allocator keeps of freed blocks (vectors of gradients and moments) back to the system, when this object ends: the first member
// of an object that held many of them.
struct GiveBack {
  GiveBack() = default;
  ~GiveBack();
  GiveBack(const GiveBack&) = delete;
};

}  // namespace attune
