// Guards around buffers, for tests: while a Scope is on, each block of Memory and each vector with the Allocator below lies between two stretches of
// bytes that no kernel may write. As floats of either type these bytes are NaN: what reads them and uses them shows in the results.
#pragma once
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace attune::guard {

// While one that is on lives, buffers of every thread are guarded. Scopes may overlap; one that is not on does nothing.
class Scope {
 public:
  explicit Scope(bool on);
  ~Scope();
  Scope(const Scope&) = delete;
  // Throws `guard_overwritten` where a byte beside a buffer has changed, of buffers that live and of those let go since this scope began.
  // `who` is named in the message.
  void check(const char* who) const;

 private:
  bool on_;
};

// `bytes` of memory not set to anything, `misalignment` bytes behind a boundary of 64. nullptr where no scope is on, or no memory is left.
char* allocate(size_t bytes, size_t misalignment);
// Frees what `allocate` gave. false: it did not give this block.
bool release(void* block);
bool is_guarded(const void* block);

// What glibc's malloc gives a vector: 16 bytes behind a line, the least alignment that kernels must take.
constexpr size_t kVectorAlignment = 16;

template <class T> struct Allocator {
  using value_type = T;
  Allocator() = default;
  template <class U> Allocator(const Allocator<U>&) {}
  T* allocate(size_t n) {
    if (n <= size_t(-1) / sizeof(T))
      if (char* const at = guard::allocate(n * sizeof(T), kVectorAlignment)) return reinterpret_cast<T*>(at);
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* at, size_t n) {
    if (!release(at)) std::allocator<T>().deallocate(at, n);
  }
  bool operator==(const Allocator&) const { return true; }
  bool operator!=(const Allocator&) const { return false; }
};

}  // namespace attune::guard

namespace attune {

// Vectors that kernels read and write.
using Floats = std::vector<float, guard::Allocator<float>>;
using Doubles = std::vector<double, guard::Allocator<double>>;
using Ints = std::vector<int, guard::Allocator<int>>;
using Halves = std::vector<uint16_t, guard::Allocator<uint16_t>>;  // bits of bf16 or f16
using Bytes = std::vector<uint8_t, guard::Allocator<uint8_t>>;

}  // namespace attune
