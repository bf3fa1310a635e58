// The bodies of embedding, compiled once per instruction set. A row of W lies spread over squares of 32 x 32: 32 single numbers (fp32) or 16 pairs
// (bf16) in each, a line apart, so the gather is bound by the lines it touches and needs no vectors; the scatter adds whole lines.
#pragma once
#include "cpu/vector.h"
#include "kernels/embedding/variants.h"

namespace attune::ATTUNE_ISA::embedding_body {
using attune::embedding::Gather;
using attune::embedding::Scatter;

static inline void line(const float* square, long n, float* out) {
  for (long k = 0; k < 32; k++) out[k] = square[k * 32 + n];
}
static inline void line(const bf16* square, long n, bf16* out) {
  for (long p = 0; p < 16; p++) memcpy((void*)(out + 2 * p), square + n / 16 * 512 + p * 32 + n % 16 * 2, 4);
}

template <class T> static void forward_of(const Gather& g, long first, long last) {
  for (long m = first; m < last; m++) {
    const long id = g.ids[m];
    const T* squares = (const T*)g.panels + id / 32 * 32 * g.H;
    for (long k = 0; k < g.H; k += 32) line(squares + k * 32, id % 32, (T*)g.x + rows_index(m, k, g.H));
  }
}
static void forward(const Gather& g, long first, long last) {
  g.dtype == DType::f32 ? forward_of<float>(g, first, last) : forward_of<bf16>(g, first, last);
}

template <class T> static void backward_of(const Scatter& s, long from, long to) {
  for (long m = 0; m < s.N; m++)
    for (long k = from; k < to; k += 32) {
      F16 lo, hi;
      load32((const T*)s.dx + rows_index(m, k, s.H), lo, hi);
      float* dw = s.dw + rows_index(s.ids[m], k, s.H);
      store(dw, load(dw) + lo), store(dw + 16, load(dw + 16) + hi);
    }
}
static void backward(const Scatter& s, long from, long to) {
  s.dtype == DType::f32 ? backward_of<float>(s, from, to) : backward_of<bf16>(s, from, to);
}

}  // namespace attune::ATTUNE_ISA::embedding_body
