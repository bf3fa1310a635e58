#include "cpu/guard.h"
#include "base/error.h"
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

namespace attune::guard {
namespace {

// One square of 32 x 32 floats: a kernel that runs one tile too far writes no further than this.
constexpr size_t kGuard = 4096;
// Quiet NaN as fp32 and as two bf16; neither all ones nor a number that a kernel writes.
constexpr uint32_t kPattern = 0xffd1ffd1;

struct Block {
  char* base;
  size_t bytes, front;  // front: bytes before the buffer
};

std::atomic<int> scopes{0};
std::atomic<long> count{0};  // of blocks: `release` of a program without guards takes no lock
std::mutex mutex;
std::string fault;  // the first one found since the first of the present scopes began

std::map<const void*, Block>& blocks() {
  static auto* const all = new std::map<const void*, Block>;  // never destroyed: vectors of threads may end after statics do
  return *all;
}

char pattern(size_t i) { return char(kPattern >> (i % 4 * 8)); }
void fill(char* at, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) at[i] = pattern(i);
}

std::string fault_of(const Block& b) {
  const std::string of = " a buffer of " + std::to_string(b.bytes) + " bytes was overwritten";
  const char* const behind = b.base + b.front + b.bytes;
  for (size_t i = 0; i < kGuard; i++)
    if (behind[i] != pattern(i)) return "byte " + std::to_string(i) + " behind" + of;
  for (size_t i = b.front; i-- > 0;)
    if (b.base[i] != pattern(i)) return "byte " + std::to_string(b.front - i) + " before" + of;
  return "";
}

void fill_guards(const Block& b) { fill(b.base, b.front), fill(b.base + b.front + b.bytes, kGuard); }

// Keeps the first fault, and mends the guard: a block that lives on is told of once. `mutex` is held.
void inspect(const Block& b) {
  const std::string found = fault_of(b);
  if (found.empty()) return;
  if (fault.empty()) fault = found;
  fill_guards(b);
}

}  // namespace

Scope::Scope(bool on) : on_(on) {
  if (on_) scopes++;
}
Scope::~Scope() {
  if (!on_ || --scopes) return;
  const std::lock_guard<std::mutex> lock(mutex);
  fault.clear();
}
void Scope::check(const char* who) const {
  if (!on_) return;
  const std::lock_guard<std::mutex> lock(mutex);
  for (const auto& [at, block] : blocks()) inspect(block);
  if (fault.empty()) return;
  const std::string seen = fault;
  fault.clear();
  throw Error("guard_overwritten", "[" + std::string(who) + "] " + seen);
}

char* allocate(size_t bytes, size_t misalignment) {
  const size_t front = kGuard + misalignment;
  if (!scopes || bytes > SIZE_MAX / 2) return nullptr;
  char* const base = static_cast<char*>(aligned_alloc(64, (front + bytes + kGuard + 63) / 64 * 64));
  if (!base) return nullptr;
  const Block made{base, bytes, front};
  fill_guards(made);
  const std::lock_guard<std::mutex> lock(mutex);
  blocks()[base + front] = made;
  count++;
  return base + front;
}

bool is_guarded(const void* block) {
  if (!count) return false;
  const std::lock_guard<std::mutex> lock(mutex);
  return blocks().count(block) != 0;
}

bool release(void* block) {
  if (!count) return false;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = blocks().find(block);
  if (found == blocks().end()) return false;
  inspect(found->second);
  free(found->second.base);
  blocks().erase(found);
  count--;
  return true;
}

}  // namespace attune::guard
