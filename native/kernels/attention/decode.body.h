// append and decode for one instruction set. A task is one key/value head of one row: it walks the pages of the sequence once for up to kHeads
// query heads together, so that a key is loaded (and widened) once for all of them. Memory bounds it.
#pragma once
#include "kernels/attention/heads.body.h"
#include "kernels/attention/variants.h"

namespace attune::ATTUNE_ISA::attention_body {

// Query heads that walk together, and vectors of 16 columns of their sums in registers: AVX-512 has 4 x 4 sums, 4 values and a weight in 32; AVX2,
// where a vector is two registers, 2 x 2 sums, 2 values and a weight in 16.
#if defined(__AVX512F__)
constexpr int kHeads = 4, kColumns = 4;
#else
constexpr int kHeads = 2, kColumns = 2;
#endif

// The sums of sixteen vectors, as one: 45 instructions where sixteen single sums take 160.
ATTUNE_INLINE F16 sums_of(const F16* x) {
#if defined(__AVX512F__)
  __m512 y[16];
  for (int i = 0; i < 8; i++)
    y[i] = _mm512_add_ps(_mm512_unpacklo_ps(x[2 * i].v, x[2 * i + 1].v), _mm512_unpackhi_ps(x[2 * i].v, x[2 * i + 1].v));
  for (int i = 0; i < 4; i++) {
    const __m512d a = _mm512_castps_pd(y[2 * i]), b = _mm512_castps_pd(y[2 * i + 1]);
    y[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  for (int n = 2; n; n /= 2)
    for (int i = 0; i < n; i++)
      y[i] = _mm512_add_ps(_mm512_shuffle_f32x4(y[2 * i], y[2 * i + 1], 0x88), _mm512_shuffle_f32x4(y[2 * i], y[2 * i + 1], 0xdd));
  return {y[0]};
#else
  __m256 out[2];
  for (int h = 0; h < 2; h++, x += 8) {
    __m256 y[8];
    for (int i = 0; i < 8; i++) y[i] = _mm256_add_ps(x[i].a, x[i].b);
    for (int i = 0; i < 4; i++)
      y[i] = _mm256_add_ps(_mm256_unpacklo_ps(y[2 * i], y[2 * i + 1]), _mm256_unpackhi_ps(y[2 * i], y[2 * i + 1]));
    for (int i = 0; i < 2; i++) {
      const __m256d a = _mm256_castps_pd(y[2 * i]), b = _mm256_castps_pd(y[2 * i + 1]);
      y[i] = _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
    }
    out[h] = _mm256_add_ps(_mm256_permute2f128_ps(y[0], y[1], 0x20), _mm256_permute2f128_ps(y[0], y[1], 0x31));
  }
  return {out[0], out[1]};
#endif
}

// What a group of query heads carries from page to page.
template <int n> struct Walk {
  float q[n][kMostHead], o[n][kMostHead];
  float top[n];    // largest score so far, in powers of two
  F16 total[n];    // sums of weights, by lanes
  float p[n][32];  // weights of the page in hand
};

// Weights of a page's keys first .. last.
template <class T, int n> static void weigh_page(const Decode& d, Walk<n>& w, const T* keys, int first, int last) {
  const long D = d.cache.D;
  const float factor = (d.softcap ? d.softcap : d.scale) * kLog2e;
  const uint32_t seen = (last == 32 ? ~0u : (1u << last) - 1) & ~0u << first;
  F16 score[n][2];
  for (int half = 0; half < 2; half++) {
    F16 part[n][16];
    for (int j = 0; j < 16; j++) {
      const T* k = keys + (half * 16 + j) * D;
      for (int h = 0; h < n; h++) part[h][j] = zero();
      for (long i = 0; i < D; i += 16) {
        const F16 x = load(k + i);
        for (int h = 0; h < n; h++) part[h][j] = fma(x, load(w.q[h] + i), part[h][j]);
      }
    }
    for (int h = 0; h < n; h++) {
      F16 s = sums_of(part[h]);
      if (d.softcap) s = tanh(s * set1(d.scale / d.softcap));
      score[h][half] = blend(s, set1(kHidden), ~seen >> (16 * half) & 0xffff);  // what the cache holds beside the sequence may be no number
    }
  }
  for (int h = 0; h < n; h++) {
    const float top = largest(max(score[h][0], score[h][1])) * factor;
    if (top > w.top[h] + 8) {  // as in the forward pass: only when it has risen by 2^8
      const F16 less = exp2<6>(set1(w.top[h] - top));
      for (long i = 0; i < D; i += 16) store(w.o[h] + i, load(w.o[h] + i) * less);
      w.total[h] = w.total[h] * less, w.top[h] = top;
    }
    for (int half = 0; half < 2; half++) {
      const F16 p = exp2<ExpDegree<T>::value>(fma(score[h][half], set1(factor), set1(-w.top[h])));
      w.total[h] = w.total[h] + p;
      store(w.p[h] + half * 16, p);
    }
  }
}

template <class T, int n> static void add_page(Walk<n>& w, long D, const T* values, int first, int last) {
  for (long i = 0; i < D; i += 16 * kColumns) {
    F16 o[n][kColumns];
    for (int h = 0; h < n; h++)
      for (int c = 0; c < kColumns; c++) o[h][c] = load(w.o[h] + i + c * 16);
    for (int j = first; j < last; j++) {
      F16 v[kColumns];
      for (int c = 0; c < kColumns; c++) v[c] = load(values + j * D + i + c * 16);
      for (int h = 0; h < n; h++) {
        const F16 p = set1(w.p[h][j]);
        for (int c = 0; c < kColumns; c++) o[h][c] = fma(p, v[c], o[h][c]);
      }
    }
    for (int h = 0; h < n; h++)
      for (int c = 0; c < kColumns; c++) store(w.o[h] + i + c * 16, o[h][c]);
  }
}

// Query heads head .. head + n of a row.
template <class T, int n> static void walk(const Decode& d, long row, long g, long head) {
  const Cache& c = d.cache;
  const long D = c.D, half = D / 2, columns = (d.heads + 2 * c.kv_heads) * D;
  Walk<n> w;
  for (int h = 0; h < n; h++) {
    for (long i = 0; i < half; i += 16) {
      const T* x = (const T*)d.qkv;
      F16 a = load(x + rows_index(row, (head + h) * D + i, columns)), b = load(x + rows_index(row, (head + h) * D + half + i, columns));
      if (d.cos) turn(a, b, load(d.cos + row * half + i), load(d.sin + row * half + i), false);
      store(w.q[h] + i, a), store(w.q[h] + half + i, b), store(w.o[h] + i, zero()), store(w.o[h] + half + i, zero());
    }
    w.top[h] = kStart * (d.softcap ? d.softcap : d.scale) * kLog2e, w.total[h] = zero();
  }
  const long last = d.lengths[row], first = d.window ? most(0, last - d.window) : 0;
  for (long page = first / 32; page * 32 < last; page++) {
    const long at = cache_index(c, d.pages[row * d.max_pages + page] * 32L, g);
    const int from = int(most(0, first - page * 32)), to = int(least(32, last - page * 32));
    weigh_page<T, n>(d, w, (const T*)c.keys + at, from, to);
    add_page<T, n>(w, D, (const T*)c.values + at, from, to);
  }
  for (int h = 0; h < n; h++) {
    const float total = sum(w.total[h]);
    const F16 inverse = set1(last > 0 ? 1.f / total : 0.f);
    for (long i = 0; i < D; i += 16) store((T*)d.out + rows_index(row, (head + h) * D + i, d.heads * D), load(w.o[h] + i) * inverse);
  }
}

template <class T> static void decode(const Decode& d, long row, long g) {
  const long per = d.heads / d.cache.kv_heads, end = (g + 1) * per;
  long h = g * per;
  for (; h + kHeads <= end; h += kHeads) walk<T, kHeads>(d, row, g, h);
#if defined(__AVX512F__)
  if (end - h == 3) return walk<T, 3>(d, row, g, h);
  if (end - h == 2) return walk<T, 2>(d, row, g, h);
#endif
  if (h < end) walk<T, 1>(d, row, g, h);
}

template <class T> static void append(const AppendRow& a) {
  const Cache& c = *a.cache;
  const long D = c.D, half = D / 2, columns = (a.heads + 2 * c.kv_heads) * D;
  for (long g = 0; g < c.kv_heads; g++) {
    const T* x = (const T*)a.qkv;
    T *key = (T*)c.keys + cache_index(c, a.slot, g), *value = (T*)c.values + cache_index(c, a.slot, g);
    for (long i = 0; i < half; i += 16) {
      const long k = (a.heads + g) * D + i, v = (a.heads + c.kv_heads + g) * D + i;
      F16 u = load(x + rows_index(a.row, k, columns)), w = load(x + rows_index(a.row, k + half, columns));
      if (a.cos) turn(u, w, load(a.cos + a.row * half + i), load(a.sin + a.row * half + i), false);
      store(key + i, u), store(key + half + i, w);
      store(value + i, load(x + rows_index(a.row, v, columns))), store(value + half + i, load(x + rows_index(a.row, v + half, columns)));
    }
  }
}

static const Paged& paged(DType t) {
  static const Paged f{attention_body::append<float>, attention_body::decode<float>},
      h{attention_body::append<bf16>, attention_body::decode<bf16>};
  return t == DType::f32 ? f : h;
}

}  // namespace attune::ATTUNE_ISA::attention_body
