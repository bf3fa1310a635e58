// Counter-based random numbers: the value depends on (seed, stream, index) only, never on the order of calls or the number of threads.
// splitmix64 finaliser (Steele, Lea, Flood 2014) over a mixed key.
#pragma once
#include <cstdint>

namespace attune {

static inline uint64_t mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}
static inline uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t index) {
  return mix64(mix64(seed * 0x9e3779b97f4a7c15ull + stream) + (index + 1) * 0x9e3779b97f4a7c15ull);
}
// Uniform in [0, 1), 53 bits.
static inline double random_unit(uint64_t seed, uint64_t stream, uint64_t index) {
  return double(random_bits(seed, stream, index) >> 11) * 0x1p-53;
}

}  // namespace attune
