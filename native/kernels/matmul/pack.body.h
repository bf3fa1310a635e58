// Sixteen rows of a matrix into panels: converted, checked, turned 16 x 16 words at a time. Bound by memory, so one body serves all instruction sets.
#pragma once
#include "kernels/matmul/product.h"
#include "kernels/matmul/square.body.h"

namespace attune::ATTUNE_ISA {

// 32 stored numbers as fp32.
static inline void load_stored(const void* data, Stored t, long i, F16& lo, F16& hi) {
  if (t == Stored::f32) return load32((const float*)data + i, lo, hi);
  if (t == Stored::bf16) return load32((const bf16*)data + i, lo, hi);
  const __m256i* p = (const __m256i*)((const uint16_t*)data + i);
#if defined(__AVX512F__)
  lo = {_mm512_cvtph_ps(_mm256_loadu_si256(p))}, hi = {_mm512_cvtph_ps(_mm256_loadu_si256(p + 1))};
#else
  const __m128i* q = (const __m128i*)p;
  lo = {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
  hi = {_mm256_cvtph_ps(_mm_loadu_si128(q + 2)), _mm256_cvtph_ps(_mm_loadu_si128(q + 3))};
#endif
}
// Columns `block` … block + 31 of one row; those that no number of the source goes to are zero.
static inline void load_columns(const matmul::PackRows& p, int row, long block, F16& lo, F16& hi) {
  const long first = p.starts[block / 32];
  if (first >= 0) return load_stored(p.row[row], p.stored, first, lo, hi);
  alignas(64) float all[32];
  for (int i = 0; i < 32; i++) all[i] = p.from[block + i] < 0 ? 0.f : stored_to_float(p.row[row], p.stored, p.from[block + i]);
  load32(all, lo, hi);
}
// Rows a and b, number by number beside each other.
ATTUNE_INLINE void interleave(const bf16* a, const bf16* b, bf16* first, bf16* second) {
#if defined(__AVX512F__)
  const __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b);
  const __m512i low = _mm512_unpacklo_epi16(x, y), high = _mm512_unpackhi_epi16(x, y);
  const __m512i front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  _mm512_storeu_si512(first, _mm512_permutex2var_epi64(low, front, high));
  _mm512_storeu_si512(second, _mm512_permutex2var_epi64(low, _mm512_add_epi64(front, _mm512_set1_epi64(4)), high));
#else
  for (int h = 0; h < 2; h++) {
    const __m256i x = _mm256_loadu_si256((const __m256i*)(a + h * 16)), y = _mm256_loadu_si256((const __m256i*)(b + h * 16));
    const __m256i low = _mm256_unpacklo_epi16(x, y), high = _mm256_unpackhi_epi16(x, y);
    bf16* to = h ? second : first;
    _mm256_storeu_si256((__m256i*)to, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256((__m256i*)(to + 16), _mm256_permute2x128_si256(low, high, 0x31));
  }
#endif
}
// Block (16 rows, 32) to its half of a square.
ATTUNE_INLINE void place(const float* block, long half, float* forward, float*) {
  turn16<32, 32>(block, forward + half * 16), turn16<32, 32>(block + 16, forward + half * 16 + 512);
}
ATTUNE_INLINE void place(const bf16* block, long half, bf16* forward, bf16* backward) {
  turn16<16, 16>((const float*)(const void*)block, (float*)(void*)(forward + half * 512));  // words of two numbers
  for (int p = 0; backward && p < 8; p++)
    interleave(block + 2 * p * 32, block + (2 * p + 1) * 32, backward + (half * 8 + p) * 32, backward + 512 + (half * 8 + p) * 32);
}

template <class T> static bool pack_of(const matmul::PackRows& p) {
  alignas(64) T block[16 * 32];
  F16 wrong = zero();
  for (long k = 0; k < p.K; k += 32) {
    for (int i = 0; i < 16; i++) {
      F16 lo, hi;
      load_columns(p, i, k, lo, hi);
      wrong = wrong + ((lo - lo) + (hi - hi));  // NaN where a number is infinite or NaN
      store32(block + i * 32, lo, hi);
    }
    T* backward = (T*)p.backward;
    place(block, p.half, (T*)p.forward + k / 32 * kStep, backward ? backward + k / 32 * p.N / 32 * kStep : nullptr);
  }
  return sum(wrong) == 0.f;
}

}  // namespace attune::ATTUNE_ISA
