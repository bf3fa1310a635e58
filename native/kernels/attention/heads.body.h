// What forward and backward stand on beside their products, for one instruction set: heads gathered to blocks of 32 x 32 in the number type of
// those products, gradients scattered from sums, soft caps and masks.
#pragma once
#include "cpu/vector.h"
#include "kernels/attention/blocks.h"

namespace attune::ATTUNE_ISA::attention_body {
using namespace attune::attention;

// out[j][i] = in[i][j] of a block, by 8 x 8 squares: 24 shuffles each, and nothing but AVX.
static void transpose(const float* in, float* out) {
  for (int r = 0; r < 32; r += 8)
    for (int c = 0; c < 32; c += 8) {
      __m256 x[8], y[8];
      for (int i = 0; i < 8; i++) x[i] = _mm256_loadu_ps(in + (r + i) * 32 + c);
      for (int i = 0; i < 8; i += 2) y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]), y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
      for (int i = 0; i < 8; i += 4) {
        x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44), x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
        x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44), x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
      }
      for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(out + (c + i) * 32 + r, _mm256_permute2f128_ps(x[i], x[i + 4], 0x20));
        _mm256_storeu_ps(out + (c + i + 4) * 32 + r, _mm256_permute2f128_ps(x[i], x[i + 4], 0x31));
      }
    }
}

// Rotates the pair (a, b) by the angle whose cosine and sine are c and s; back: the transpose of it.
ATTUNE_INLINE void turn(F16& a, F16& b, F16 c, F16 s, bool back) {
  const F16 x = a, y = b, with = back ? zero() - s : s;
  a = fnma(y, with, x * c), b = fma(x, with, y * c);
}

// 32 tokens of one head, to D/32 blocks [32 tokens][32]; rows past the sequence are zero.
template <class T, class P>
static void gather(const Job& j, const void* x, long columns, long feature, const Task& t, long block, bool rotate, P* to) {
  const long D = j.shape.D, half = D / 2, over = half / 32 * kStep;
  rotate = rotate && j.shape.cos;
  for (long i = 0; i < 32; i++, to += 32) {
    const long token = t.first + block * 32 + i;
    if (token >= t.last) {
      for (long d = 0; d < D / 32; d++) store32(to + d * kStep, zero(), zero());
      continue;
    }
    const T* from = (const T*)x + rows_index(token, feature, columns);  // the next 32 columns are one block on
    const float *c = j.shape.cos + token * half, *s = j.shape.sin + token * half;
    for (long d = 0; d < half; d += 32) {
      F16 a[2], b[2];
      load32(from + d * 32, a[0], a[1]), load32(from + over + d * 32, b[0], b[1]);
      if (rotate) turn(a[0], b[0], load(c + d), load(s + d), false), turn(a[1], b[1], load(c + d + 16), load(s + d + 16), false);
      store32(to + d * 32, a[0], a[1]), store32(to + over + d * 32, b[0], b[1]);
    }
  }
}

// Where a block of 32 x 32 sums keeps the 16 numbers of row r from column 16 h on: row by row, or as four tiles.
template <bool tiles> ATTUNE_INLINE long place(long r, long h) {
  return tiles ? (r >> 4) * 512 + h * 256 + (r & 15) * 16 : r * 32 + h * 16;
}

// 32 tokens' gradients of one head, D/32 blocks of sums times `factor`, to their rows; turned back where `rotated`.
template <class T, bool tiles>
static void scatter(const Job& j, const float* from, float factor, long feature, const Task& t, long block, bool rotated) {
  const long D = j.shape.D, half = D / 2, over = half / 32 * kStep;
  rotated = rotated && j.shape.cos;
  for (long i = 0, token = t.first + block * 32; i < 32 && token < t.last; i++, token++) {
    T* to = (T*)j.dqkv + rows_index(token, feature, j.columns);
    const float *c = j.shape.cos + token * half, *s = j.shape.sin + token * half;
    for (long d = 0; d < half; d += 32) {
      F16 a[2], b[2];
      for (int h = 0; h < 2; h++) {
        const float* x = from + d * 32 + place<tiles>(i, h);
        a[h] = load(x) * set1(factor), b[h] = load(x + over) * set1(factor);
        if (rotated) turn(a[h], b[h], load(c + d + h * 16), load(s + d + h * 16), true);
      }
      store32(to + d * 32, a[0], a[1]), store32(to + over + d * 32, b[0], b[1]);
    }
  }
}

// tanh within 2e-7: e^(2x) - 1 as 2^n (2^f - 1) + (2^n - 1), |f| <= 1/2, so that small x keep all their digits; (2^f - 1) by its series, whose
// eighth term is below 6e-9. Beyond 9 it is 1 in fp32. The constants come first in min and max: a NaN passes.
ATTUNE_INLINE F16 tanh(F16 x) {
  const F16 y = max(set1(-9.f), min(set1(9.f), x)) * set1(2 * kLog2e), up = y + set1(0.5f), n = up - fraction(up), f = y - n;
  F16 p = fma(set1(1.52527338e-5f), f, set1(1.54035304e-4f));
  p = fma(p, f, set1(1.33335581e-3f));
  p = fma(p, f, set1(9.61812911e-3f));
  p = fma(p, f, set1(5.55041087e-2f));
  p = fma(p, f, set1(2.40226507e-1f));
  p = fma(p, f, set1(6.93147181e-1f));
  const F16 whole = scale2(set1(1.f), n), e = fma(whole, p * f, whole - set1(1.f));
  return e / (e + set1(2.f));
}

// Scores q.k of a block [32 keys][32 queries] to tanh(scale q.k / softcap); nothing to do where there is no soft cap.
static void cap(const Job& j, float* score) {
  const F16 inner = set1(j.shape.scale / j.shape.softcap);
  for (long i = 0; i < kStep; i += 16) store(score + i, tanh(load(score + i) * inner));
}
// Positions that are not seen become `instead`.
template <bool tiles> static void mask(const Job& j, const Task& t, float* score, long q, long k, float instead) {
  for (long r = 0; r < 32; r++) {
    const uint32_t bits = hidden(j, t, q, k * 32 + r);
    for (int h = 0; h < 2; h++) {
      float* x = score + place<tiles>(r, h);
      const unsigned lanes = bits >> (16 * h) & 0xffff;
      if (lanes) store(x, blend(load(x), set1(instead), lanes));
    }
  }
}

}  // namespace attune::ATTUNE_ISA::attention_body
