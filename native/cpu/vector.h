// Sixteen floats, written once for three instruction sets: the file that includes this decides by its compile flags (suffix .avx512.cpp,
// .amx.cpp, .avx2.cpp, or none). Everything lives in a namespace named after the instruction set, ATTUNE_ISA, and so must every template and
// struct with functions that such a file defines: two object files must never share the name of a function compiled for different machines.
//
//   namespace attune::ATTUNE_ISA { … F16 v = load(x); store(y, fma(v, w, u)); … }
//
// load/store take float* or bf16*; bf16 is widened exactly and rounded to nearest even. load32/store32 move one row of a block (32 columns).
#pragma once
#include "base/layout.h"
#include "base/types.h"
#include <math.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AMX_TILE__)
#define ATTUNE_ISA amx
#elif defined(__AVX512F__)
#define ATTUNE_ISA avx512
#elif defined(__AVX2__)
#define ATTUNE_ISA avx2
#else
#define ATTUNE_ISA portable
#endif

namespace attune::ATTUNE_ISA {

#define ATTUNE_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)

struct F16 {
  __m512 v;
};
ATTUNE_INLINE F16 set1(float x) { return {_mm512_set1_ps(x)}; }
ATTUNE_INLINE F16 zero() { return {_mm512_setzero_ps()}; }
ATTUNE_INLINE F16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
ATTUNE_INLINE void store(float* p, F16 a) { _mm512_storeu_ps(p, a.v); }
ATTUNE_INLINE F16 widen(__m256i x) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))}; }
ATTUNE_INLINE F16 load(const bf16* p) { return widen(_mm256_loadu_si256((const __m256i*)p)); }
ATTUNE_INLINE void store(bf16* p, F16 a) { _mm256_storeu_si256((__m256i*)p, (__m256i)_mm512_cvtneps_pbh(a.v)); }
ATTUNE_INLINE void load32(const bf16* p, F16& lo, F16& hi) {
  const __m512i x = _mm512_loadu_si512(p);
  lo = widen(_mm512_castsi512_si256(x)), hi = widen(_mm512_extracti64x4_epi64(x, 1));
}
ATTUNE_INLINE void store32(bf16* p, F16 lo, F16 hi) { _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(hi.v, lo.v)); }
ATTUNE_INLINE F16 operator+(F16 a, F16 b) { return {_mm512_add_ps(a.v, b.v)}; }
ATTUNE_INLINE F16 operator-(F16 a, F16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
ATTUNE_INLINE F16 operator*(F16 a, F16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
ATTUNE_INLINE F16 operator/(F16 a, F16 b) { return {_mm512_div_ps(a.v, b.v)}; }
ATTUNE_INLINE F16 fma(F16 a, F16 b, F16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }    // a b + c
ATTUNE_INLINE F16 fnma(F16 a, F16 b, F16 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }  // c - a b
ATTUNE_INLINE F16 max(F16 a, F16 b) { return {_mm512_max_ps(a.v, b.v)}; }
ATTUNE_INLINE F16 min(F16 a, F16 b) { return {_mm512_min_ps(a.v, b.v)}; }
ATTUNE_INLINE F16 sqrt(F16 a) { return {_mm512_sqrt_ps(a.v)}; }
ATTUNE_INLINE float sum(F16 a) { return _mm512_reduce_add_ps(a.v); }
ATTUNE_INLINE float largest(F16 a) { return _mm512_reduce_max_ps(a.v); }
ATTUNE_INLINE bool any_above(F16 a, F16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ) != 0; }
// Lanes i with bit i of `mask` set take b, the others a.
ATTUNE_INLINE F16 blend(F16 a, F16 b, unsigned mask) { return {_mm512_mask_blend_ps((__mmask16)mask, a.v, b.v)}; }
// x = whole + rest, 0 <= rest <= 1; returns rest. For -1 < x < 0 it is not exact: vreduceps rounds it down, as it does x to its whole, which makes
// every such power too small by up to 2^-24 (fraction_down, for results that become bf16); a subtraction rounds to nearest.
// scale2(p, x) = p * 2^floor(x), saturating to 0 and infinity by itself.
ATTUNE_INLINE F16 fraction_down(F16 x) { return {_mm512_reduce_ps(x.v, 0x09)}; }
ATTUNE_INLINE F16 fraction(F16 x) { return {_mm512_sub_ps(x.v, _mm512_roundscale_ps(x.v, 0x09))}; }
ATTUNE_INLINE F16 scale2(F16 p, F16 x) { return {_mm512_scalef_ps(p.v, x.v)}; }

#elif defined(__AVX2__)

struct F16 {
  __m256 a, b;
};
ATTUNE_INLINE F16 set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
ATTUNE_INLINE F16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
ATTUNE_INLINE F16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
ATTUNE_INLINE void store(float* p, F16 x) { _mm256_storeu_ps(p, x.a), _mm256_storeu_ps(p + 8, x.b); }
ATTUNE_INLINE __m256 widen(__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); }
ATTUNE_INLINE F16 load(const bf16* p) {
  return {widen(_mm_loadu_si128((const __m128i*)p)), widen(_mm_loadu_si128((const __m128i*)(p + 8)))};
}
ATTUNE_INLINE __m256i rounded(__m256 x) {  // bf16 in the low half of each lane; NaN keeps its sign and gets a quiet bit
  const __m256i u = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i r = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(r, _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40)), nan);
}
ATTUNE_INLINE void store(bf16* p, F16 x) {
  const __m256i packed = _mm256_packus_epi32(rounded(x.a), rounded(x.b));
  _mm256_storeu_si256((__m256i*)p, _mm256_permute4x64_epi64(packed, 0xd8));
}
ATTUNE_INLINE void load32(const bf16* p, F16& lo, F16& hi) { lo = load(p), hi = load(p + 16); }
ATTUNE_INLINE void store32(bf16* p, F16 lo, F16 hi) { store(p, lo), store(p + 16, hi); }
ATTUNE_INLINE F16 operator+(F16 x, F16 y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
ATTUNE_INLINE F16 operator-(F16 x, F16 y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
ATTUNE_INLINE F16 operator*(F16 x, F16 y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
ATTUNE_INLINE F16 operator/(F16 x, F16 y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
ATTUNE_INLINE F16 fma(F16 x, F16 y, F16 z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
ATTUNE_INLINE F16 fnma(F16 x, F16 y, F16 z) { return {_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b)}; }
ATTUNE_INLINE F16 max(F16 x, F16 y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
ATTUNE_INLINE F16 min(F16 x, F16 y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
ATTUNE_INLINE F16 sqrt(F16 x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
ATTUNE_INLINE float sum(F16 x) {
  const __m256 s = _mm256_add_ps(x.a, x.b);
  __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  t = _mm_add_ps(t, _mm_movehl_ps(t, t));
  return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}
ATTUNE_INLINE float largest(F16 x) {
  const __m256 s = _mm256_max_ps(x.a, x.b);
  __m128 t = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  t = _mm_max_ps(t, _mm_movehl_ps(t, t));
  return _mm_cvtss_f32(_mm_max_ss(t, _mm_movehdup_ps(t)));
}
ATTUNE_INLINE bool any_above(F16 x, F16 y) {
  return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(x.a, y.a, _CMP_GT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_GT_OQ))) != 0;
}
ATTUNE_INLINE __m256 lanes(unsigned mask) {  // bit i -> all ones in lane i
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(int(mask)), bit), bit));
}
ATTUNE_INLINE F16 blend(F16 x, F16 y, unsigned mask) {
  return {_mm256_blendv_ps(x.a, y.a, lanes(mask)), _mm256_blendv_ps(x.b, y.b, lanes(mask >> 8))};
}
ATTUNE_INLINE F16 fraction(F16 x) { return {_mm256_sub_ps(x.a, _mm256_floor_ps(x.a)), _mm256_sub_ps(x.b, _mm256_floor_ps(x.b))}; }
ATTUNE_INLINE F16 fraction_down(F16 x) { return fraction(x); }
ATTUNE_INLINE __m256 scale2(__m256 p, __m256 x) {  // 2^floor(x) in two factors, so that results below 2^-126 fade out instead of wrapping
  const __m256 k = _mm256_max_ps(_mm256_set1_ps(-252.f), _mm256_min_ps(_mm256_set1_ps(254.f), _mm256_floor_ps(x)));
  const __m256i i = _mm256_cvtps_epi32(k), half = _mm256_srai_epi32(i, 1), rest = _mm256_sub_epi32(i, half);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256 f = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
  const __m256 g = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
  return _mm256_mul_ps(_mm256_mul_ps(p, f), g);
}
ATTUNE_INLINE F16 scale2(F16 p, F16 x) { return {scale2(p.a, x.a), scale2(p.b, x.b)}; }

#else  // plain C++: the compiler vectorises these loops with what the baseline has

struct F16 {
  float v[16];
};
#define ATTUNE_EACH(expression)                       \
  F16 r;                                              \
  for (int i = 0; i < 16; i++) r.v[i] = (expression); \
  return r
ATTUNE_INLINE F16 set1(float x) { ATTUNE_EACH(x); }
ATTUNE_INLINE F16 zero() { ATTUNE_EACH(0.f); }
ATTUNE_INLINE F16 load(const float* p) { ATTUNE_EACH(p[i]); }
ATTUNE_INLINE F16 load(const bf16* p) { ATTUNE_EACH(to_float(p[i])); }
ATTUNE_INLINE void store(float* p, F16 a) { memcpy(p, a.v, 64); }
ATTUNE_INLINE void store(bf16* p, F16 a) {
  for (int i = 0; i < 16; i++) p[i] = to_bf16(a.v[i]);
}
ATTUNE_INLINE void load32(const bf16* p, F16& lo, F16& hi) { lo = load(p), hi = load(p + 16); }
ATTUNE_INLINE void store32(bf16* p, F16 lo, F16 hi) { store(p, lo), store(p + 16, hi); }
ATTUNE_INLINE F16 operator+(F16 a, F16 b) { ATTUNE_EACH(a.v[i] + b.v[i]); }
ATTUNE_INLINE F16 operator-(F16 a, F16 b) { ATTUNE_EACH(a.v[i] - b.v[i]); }
ATTUNE_INLINE F16 operator*(F16 a, F16 b) { ATTUNE_EACH(a.v[i] * b.v[i]); }
ATTUNE_INLINE F16 operator/(F16 a, F16 b) { ATTUNE_EACH(a.v[i] / b.v[i]); }
ATTUNE_INLINE F16 fma(F16 a, F16 b, F16 c) { ATTUNE_EACH(a.v[i] * b.v[i] + c.v[i]); }
ATTUNE_INLINE F16 fnma(F16 a, F16 b, F16 c) { ATTUNE_EACH(c.v[i] - a.v[i] * b.v[i]); }
ATTUNE_INLINE F16 max(F16 a, F16 b) { ATTUNE_EACH(a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }
ATTUNE_INLINE F16 min(F16 a, F16 b) { ATTUNE_EACH(a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }
ATTUNE_INLINE F16 sqrt(F16 a) { ATTUNE_EACH(sqrtf(a.v[i])); }
ATTUNE_INLINE float sum(F16 a) {
  float s[8];
  for (int i = 0; i < 8; i++) s[i] = a.v[i] + a.v[i + 8];
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}
ATTUNE_INLINE float largest(F16 a) {
  float m = a.v[0];
  for (int i = 1; i < 16; i++) m = a.v[i] > m ? a.v[i] : m;
  return m;
}
ATTUNE_INLINE bool any_above(F16 a, F16 b) {
  bool any = false;
  for (int i = 0; i < 16; i++) any |= a.v[i] > b.v[i];
  return any;
}
ATTUNE_INLINE F16 blend(F16 a, F16 b, unsigned mask) { ATTUNE_EACH((mask >> i) & 1 ? b.v[i] : a.v[i]); }
ATTUNE_INLINE F16 fraction(F16 x) { ATTUNE_EACH(x.v[i] - floorf(x.v[i])); }
ATTUNE_INLINE F16 fraction_down(F16 x) { return fraction(x); }
ATTUNE_INLINE F16 scale2(F16 p, F16 x) {
  ATTUNE_EACH(ldexpf(p.v[i], int(x.v[i] < -300.f ? -300.f : x.v[i] > 300.f ? 300.f : floorf(x.v[i]))));
}
#undef ATTUNE_EACH

#endif

ATTUNE_INLINE void load32(const float* p, F16& lo, F16& hi) { lo = load(p), hi = load(p + 16); }
ATTUNE_INLINE void store32(float* p, F16 lo, F16 hi) { store(p, lo), store(p + 16, hi); }
ATTUNE_INLINE F16 operator-(F16 a) { return zero() - a; }

constexpr float kLog2e = 1.44269504088896341f, kLn2 = 0.693147180559945309f;

// 2^x. Minimax polynomials of 2^f on [0, 1): degree 3 errs by 7.5e-5 (for values that become bf16), 4 by 2.6e-6, 6 by 8.3e-8 (fp32 path).
template <int degree> ATTUNE_INLINE F16 exp2(F16 x) {
  const F16 f = degree > 4 ? fraction(x) : fraction_down(x);  // polynomials of 3 and 4 err by more than the difference
  F16 p;
  if (degree == 3) {
    p = fma(set1(0.0780244097f), f, set1(0.2260673195f));
    p = fma(p, f, set1(0.6958335042f));
    p = fma(p, f, set1(0.9999251962f));
  } else if (degree == 4) {
    p = fma(set1(0.0135341547f), f, set1(0.0520114861f));
    p = fma(p, f, set1(0.2414427399f));
    p = fma(p, f, set1(0.6930038333f));
    p = fma(p, f, set1(1.0000026226f));
  } else {
    p = fma(set1(2.17022532e-4f), f, set1(1.24396885e-3f));
    p = fma(p, f, set1(9.67884092e-3f));
    p = fma(p, f, set1(5.54833420e-2f));
    p = fma(p, f, set1(2.40229836e-1f));
    p = fma(p, f, set1(6.93146984e-1f));
    p = fma(p, f, set1(1.0f));
  }
  return scale2(p, x);
}
// The degree that suits a number type: results stored in bf16 need no more than 3.
template <class T> struct ExpDegree;
template <> struct ExpDegree<float> {
  static constexpr int value = 6;
};
template <> struct ExpDegree<bf16> {
  static constexpr int value = 3;
};
template <int degree> ATTUNE_INLINE F16 exp(F16 x) { return exp2<degree>(x * set1(kLog2e)); }
// 1 / x; where degree 3 is enough, to 2^-14 (a division occupies its unit for 16 cycles).
template <int degree> ATTUNE_INLINE F16 reciprocal(F16 x) {
#if defined(__AVX512F__)
  if (degree == 3) return {_mm512_rcp14_ps(x.v)};
#endif
  return set1(1.f) / x;
}
template <int degree> ATTUNE_INLINE F16 sigmoid(F16 x) { return reciprocal<degree>(set1(1.f) + exp2<degree>(x * set1(-kLog2e))); }

}  // namespace attune::ATTUNE_ISA
