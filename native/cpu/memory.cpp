#include "cpu/memory.h"
#include "base/error.h"
#include "cpu/guard.h"
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace attune {
namespace {

constexpr size_t kLine = 64, kHugePage = size_t(2) << 20;
constexpr size_t kPage = size_t(64) << 10;  // a multiple of every page size of the systems this runs on (4, 16 and 64 KiB)

size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

// One line past the end: kernels may prefetch and read one vector past the last number.
size_t whole(size_t bytes) { return bytes + kLine; }

// A sanitiser sees what runs past a block of malloc, not what runs past a mapping.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kMaps = false;
#else
constexpr bool kMaps = true;
#endif
bool is_mapped(size_t bytes) { return kMaps && bytes >= Memory::kMapped; }

// A mapping begins at any page. For huge ones one more is asked for, and what lies before the first boundary and behind the block goes back.
char* map(size_t bytes) {
  const size_t slack = bytes >= Memory::kHuge ? kHugePage : 0, asked = bytes + slack;
  void* found = mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (found == MAP_FAILED) return nullptr;
  char* const from = static_cast<char*>(found);
  if (!slack) return from;
  const size_t before = round_up(size_t(from), kHugePage) - size_t(from), behind = slack - before;
  if (before) munmap(from, before);
  if (behind) munmap(from + before + bytes, behind);
#if defined(__linux__)
  madvise(from + before, bytes, MADV_HUGEPAGE);
#endif
  return from + before;
}

char* allocate(size_t bytes) {
  if (char* const at = guard::allocate(bytes, 0)) return static_cast<char*>(memset(at, 0, bytes));
  if (is_mapped(bytes)) return map(round_up(whole(bytes), kPage));
  char* const at = static_cast<char*>(aligned_alloc(kLine, whole(bytes)));
  if (at) memset(at, 0, whole(bytes));
  return at;
}

}  // namespace

void Memory::reserve(size_t bytes) {
  if (bytes <= bytes_) return;
  release();
  if (bytes > SIZE_MAX / 2) throw Error("out_of_memory", "no memory for a buffer of " + std::to_string(bytes >> 20) + " MiB");
  bytes = round_up(bytes, kLine);
  at_ = allocate(bytes);
  if (!at_) throw Error("out_of_memory", "no memory for a buffer of " + std::to_string(bytes >> 20) + " MiB");
  bytes_ = bytes;
}

void Memory::release() {
  if (guard::release(at_)) {  // it was guarded
  } else if (at_ && is_mapped(bytes_))
    munmap(at_, round_up(whole(bytes_), kPage));
  else
    free(at_);
  at_ = nullptr, bytes_ = 0;
}

GiveBack::~GiveBack() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

}  // namespace attune
