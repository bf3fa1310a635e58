// Written once on sixteen floats, compiled per instruction set.
#pragma once
#include "cpu/ceiling_variants.h"
#include "cpu/vector.h"

namespace attune::ATTUNE_ISA::ceiling_body {

// Chains that do not wait for each other: latency 4, two units, hence at least 8. As many as leave room for both operands: AVX-512 has 32
// registers and one of them holds sixteen floats; with AVX2 sixteen floats are two of 16 registers.
#if defined(__AVX512F__)
constexpr int kChains = 16;
#elif defined(__AVX2__)
constexpr int kChains = 6;
#else
constexpr int kChains = 2;
#endif

static double multiply(const float* numbers, long rounds, float* sink) {
  F16 sums[kChains];
  for (int c = 0; c < kChains; c++) sums[c] = load(numbers + 16 * c);
  const F16 x = load(numbers + 512) * set1(0.5f), y = load(numbers + 1024);
  for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; c++) sums[c] = fma(sums[c], x, y);
  }
  F16 all = sums[0];
  for (int c = 1; c < kChains; c++) all = all + sums[c];
  store(sink, all);
  return 32.0 * kChains * double(rounds);
}

static void read(const float* from, long n, float* sink) {
  F16 a = zero(), b = zero(), c = zero(), d = zero();
  for (long i = 0; i < n; i += 64)
    a = a + load(from + i), b = b + load(from + i + 16), c = c + load(from + i + 32), d = d + load(from + i + 48);
  store(sink, (a + b) + (c + d));
}

// A store that goes past the caches, where there is one.
ATTUNE_INLINE void stream(float* to, F16 x) {
#if defined(__AVX512F__)
  _mm512_stream_ps(to, x.v);
#elif defined(__AVX2__)
  _mm256_stream_ps(to, x.a), _mm256_stream_ps(to + 8, x.b);
#else
  store(to, x);
#endif
}

static void copy(const float* from, float* to, long n) {
  for (long i = 0; i < n; i += 16) stream(to + i, load(from + i));
}

}  // namespace attune::ATTUNE_ISA::ceiling_body
