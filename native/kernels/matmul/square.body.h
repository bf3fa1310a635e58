// Squares of 32 x 32 numbers on their way to the inner loop: widened to fp32, turned, or both. Written once per instruction set.
#pragma once
#include "cpu/vector.h"

namespace attune::ATTUNE_ISA {

// Two neighbours of 16 columns: pairs (16, 2) -> even (16,), odd (16,).
ATTUNE_INLINE void widen_pairs(const bf16* p, F16& even, F16& odd) {
#if defined(__AVX512F__)
  const __m512i x = _mm512_loadu_si512(p);
  even = {_mm512_castsi512_ps(_mm512_slli_epi32(x, 16))};
  odd = {_mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(int(0xffff0000))))};
#elif defined(__AVX2__)
  const __m256i x = _mm256_loadu_si256((const __m256i*)p), y = _mm256_loadu_si256((const __m256i*)(p + 16));
  const __m256i high = _mm256_set1_epi32(int(0xffff0000));
  even = {_mm256_castsi256_ps(_mm256_slli_epi32(x, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(y, 16))};
  odd = {_mm256_castsi256_ps(_mm256_and_si256(x, high)), _mm256_castsi256_ps(_mm256_and_si256(y, high))};
#else
  float e[16], o[16];
  for (int i = 0; i < 16; i++) e[i] = to_float(p[2 * i]), o[i] = to_float(p[2 * i + 1]);
  even = load(e), odd = load(o);
#endif
}

#if defined(__AVX512F__)
// 16 x 16 words of 32 bits turned: 64 shuffles. `from` and `to`: words from one row to the next.
template <int from, int to> static inline void turn16(const float* in, float* out) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(in + i * from);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++)
    b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]), b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
#pragma GCC unroll 4
  for (int g = 0; g < 4; g++) {
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
      const __m512d x = _mm512_castps_pd(b[4 * g + k]), y = _mm512_castps_pd(b[4 * g + 2 + k]);
      a[4 * g + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), a[4 * g + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {  // 128-bit lane L of a[4 g + j] is column 4 L + j of rows 4 g …
    const __m512 p = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88), q = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
    const __m512 r = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xdd), s = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xdd);
    _mm512_storeu_ps(out + j * to, _mm512_shuffle_f32x4(p, q, 0x88)),
        _mm512_storeu_ps(out + (8 + j) * to, _mm512_shuffle_f32x4(p, q, 0xdd));
    _mm512_storeu_ps(out + (4 + j) * to, _mm512_shuffle_f32x4(r, s, 0x88)),
        _mm512_storeu_ps(out + (12 + j) * to, _mm512_shuffle_f32x4(r, s, 0xdd));
  }
}
static inline void turn32(const float* in, float* out) {
  turn16<32, 32>(in, out), turn16<32, 32>(in + 16, out + 512), turn16<32, 32>(in + 512, out + 16), turn16<32, 32>(in + 528, out + 528);
}
#elif defined(__AVX2__)
template <int from, int to> static inline void turn8(const float* in, float* out) {
  __m256 a[8], b[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(in + i * from);
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]), b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
#pragma GCC unroll 2
  for (int g = 0; g < 2; g++) {
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
      const __m256d x = _mm256_castps_pd(b[4 * g + k]), y = _mm256_castps_pd(b[4 * g + 2 + k]);
      a[4 * g + 2 * k] = _mm256_castpd_ps(_mm256_unpacklo_pd(x, y)), a[4 * g + 2 * k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(x, y));
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    _mm256_storeu_ps(out + j * to, _mm256_permute2f128_ps(a[j], a[4 + j], 0x20));
    _mm256_storeu_ps(out + (4 + j) * to, _mm256_permute2f128_ps(a[j], a[4 + j], 0x31));
  }
}
template <int from, int to> static inline void turn16(const float* in, float* out) {
  for (int i = 0; i < 16; i += 8)
    for (int j = 0; j < 16; j += 8) turn8<from, to>(in + i * from + j, out + j * to + i);
}
static inline void turn32(const float* in, float* out) {
  for (int i = 0; i < 32; i += 16)
    for (int j = 0; j < 32; j += 16) turn16<32, 32>(in + i * 32 + j, out + j * 32 + i);
}
#else
static inline void turn32(const float* in, float* out) {
  for (int i = 0; i < 32; i++)
    for (int j = 0; j < 32; j++) out[j * 32 + i] = in[i * 32 + j];
}
#endif

// Column n of a square of panels: 32 numbers of the contraction, a line apart each (fp32) or each pair (bf16). Bound by the lines it touches.
static inline void column_of_square(const float* square, long n, float* out) {
  for (long k = 0; k < 32; k++) out[k] = square[k * 32 + n];
}
static inline void column_of_square(const bf16* square, long n, bf16* out) {
  for (long p = 0; p < 16; p++) memcpy((void*)(out + 2 * p), square + n / 16 * 512 + p * 32 + n % 16 * 2, 4);
}

// A square of panels as fp32 [32 of the contraction][32 columns].
static inline void square_to_float(const float* in, bool turned, float* out) {
  if (turned) return turn32(in, out);
  for (int i = 0; i < 1024; i += 16) store(out + i, load(in + i));
}
static inline void square_to_float(const bf16* in, bool turned, float* out) {
  alignas(64) float straight[1024];
  float* to = turned ? straight : out;
  for (int h = 0; h < 2; h++)
    for (int p = 0; p < 16; p++) {
      F16 even, odd;
      widen_pairs(in + h * 512 + p * 32, even, odd);
      store(to + p * 64 + h * 16, even), store(to + p * 64 + 32 + h * 16, odd);
    }
  if (turned) turn32(straight, out);
}

#if defined(__AVX512F__)
// A square of bf16 panels as a square of the transposed matrix: [2 halves of n][16 pairs of k][16 n][2] -> [2 halves of k][16 pairs of n][16 k][2].
// 128 shuffles; lets one packing serve both products.
static inline void turn_pairs(const bf16* in, bf16* out) {
  const __m512i swap = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
  for (int h = 0; h < 2; h++)      // which 16 of n
    for (int l = 0; l < 2; l++) {  // which 16 of k
      __m512i x[8], y[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; i++) x[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(in + h * 512 + (l * 8 + i) * 32), swap);
#pragma GCC unroll 4
      for (int i = 0; i < 8; i += 2) y[i] = _mm512_unpacklo_epi64(x[i], x[i + 1]), y[i + 1] = _mm512_unpackhi_epi64(x[i], x[i + 1]);
#pragma GCC unroll 2
      for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {  // 128-bit lanes 0, 2 and 1, 3 of each
          x[i + j] = _mm512_shuffle_i64x2(y[i + j], y[i + j + 2], 0x88), x[i + j + 2] = _mm512_shuffle_i64x2(y[i + j], y[i + j + 2], 0xdd);
        }
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) y[j] = _mm512_shuffle_i64x2(x[j], x[j + 4], 0x88), y[j + 4] = _mm512_shuffle_i64x2(x[j], x[j + 4], 0xdd);
    // Bit 0 of j is the half of the unpacking, bits 1 and 2 the lane: y[j] is the pair of n number 2 lane + half.
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) _mm512_storeu_si512(out + l * 512 + (h * 8 + ((j >> 1) & 1) * 2 + (j >> 2) * 4 + (j & 1)) * 32, y[j]);
    }
}
#endif

}  // namespace attune::ATTUNE_ISA
