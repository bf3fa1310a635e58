// Products of given ids with rows, and their rank-one terms, compiled once per instruction set. A row of the head is a column of squares: alone it
// touches as many lines as the 16 rows beside each other that share them. So all walk over the ids in their order, and each line is brought once.
#pragma once
#include "kernels/logprob/variants.h"
#include "kernels/matmul/square.body.h"

namespace attune::ATTUNE_ISA::logprob_body {
using attune::logprob::ById;
using attune::logprob::Entry;

// Two chains of 16 lanes.
template <class T> static inline float dot(const T* hidden, const T* row, long H) {
  F16 a = zero(), b = zero();
  for (long k = 0; k < H; k += 32) {
    F16 x, y, u, v;
    load32(hidden + k * 32, x, y), load32(row + k, u, v);
    a = fma(x, u, a), b = fma(y, v, b);
  }
  return sum(a + b);
}

template <class T> static void products_of(const ById& c, long panel, float* product, T* row) {
  const T *squares = (const T*)c.panels + panel * 32 * c.H, *hidden = (const T*)c.hidden;
  for (long v = panel * 32; v < panel * 32 + 32; v++) {
    if (c.start[v] == c.start[v + 1]) continue;
    for (long k = 0; k < c.H; k += 32) column_of_square(squares + k * 32, v % 32, row + k);
    for (long i = c.start[v]; i < c.start[v + 1]; i++) product[c.entry[i].at] = dot(hidden + rows_index(c.entry[i].row, 0, c.H), row, c.H);
  }
}

template <class T> static void add_to_hidden_of(const ById& c, const float* slope, long block, T* dhidden, float* sums) {
  F16 lo, hi;
  for (long m = 0; m < c.R; m++) load32(dhidden + rows_index(m, block * 32, c.H), lo, hi), store32(sums + m * 32, lo, hi);
  for (long v = 0; v < c.N; v += 32) {
    const T* square = (const T*)c.panels + v * c.H + block * kStep;
    // The next square lies 32 H numbers on, too far for the processor to see it coming.
    for (long i = 0; i < kStep && v + 32 < c.N; i += 64 / sizeof(T)) __builtin_prefetch(square + 32 * c.H + i);
    // All of a square first: a vector read right after the words it is made of waits for them.
    alignas(64) T row[32][32];
    for (long n = 0; n < 32; n++)
      if (c.start[v + n] != c.start[v + n + 1]) column_of_square(square, n, row[n]);
    for (long n = 0; n < 32; n++)
      for (long i = c.start[v + n]; i < c.start[v + n + 1]; i++) {
        const F16 s = set1(slope[c.entry[i].at]);
        float* to = sums + c.entry[i].row * 32L;
        load32(row[n], lo, hi);
        store32(to, fma(s, lo, load(to)), fma(s, hi, load(to + 16)));
      }
  }
  for (long m = 0; m < c.R; m++) store32(dhidden + rows_index(m, block * 32, c.H), load(sums + m * 32), load(sums + m * 32 + 16));
}

template <class T> static void add_to_weights_of(const ById& c, const float* slope, long panel, float* dweight) {
  for (long v = panel * 32; v < panel * 32 + 32; v++)
    for (long k = 0; k < c.H && c.start[v] != c.start[v + 1]; k += 32) {
      float* to = dweight + rows_index(v, k, c.H);
      F16 a = load(to), b = load(to + 16), lo, hi;
      for (long i = c.start[v]; i < c.start[v + 1]; i++) {
        const F16 s = set1(slope[c.entry[i].at]);
        load32((const T*)c.hidden + rows_index(c.entry[i].row, k, c.H), lo, hi);
        a = fma(s, lo, a), b = fma(s, hi, b);
      }
      store32(to, a, b);
    }
}

static void products(const ById& c, long panel, float* product, float* row) {
  c.dtype == DType::f32 ? products_of(c, panel, product, row) : products_of(c, panel, product, (bf16*)(void*)row);
}
static void add_to_hidden(const ById& c, const float* slope, long block, void* dhidden, float* sums) {
  c.dtype == DType::f32 ? add_to_hidden_of(c, slope, block, (float*)dhidden, sums)
                        : add_to_hidden_of(c, slope, block, (bf16*)dhidden, sums);
}
static void add_to_weights(const ById& c, const float* slope, long panel, float* dweight) {
  c.dtype == DType::f32 ? add_to_weights_of<float>(c, slope, panel, dweight) : add_to_weights_of<bf16>(c, slope, panel, dweight);
}

}  // namespace attune::ATTUNE_ISA::logprob_body
