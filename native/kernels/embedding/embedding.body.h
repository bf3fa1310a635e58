// The bodies of embedding, compiled once per instruction set. A row of W lies spread over squares of 32 x 32, as a column of each, so the gather is
// bound by the lines it touches and needs no vectors; the scatter adds whole lines.
#pragma once
#include "kernels/embedding/variants.h"
#include "kernels/matmul/square.body.h"

namespace attune::ATTUNE_ISA::embedding_body {
using attune::embedding::Gather;
using attune::embedding::Scatter;

template <class T> static void forward_of(const Gather& g, long first, long last) {
  for (long m = first; m < last; m++) {
    const long id = g.ids[m];
    const T* squares = (const T*)g.panels + id / 32 * 32 * g.H;
    for (long k = 0; k < g.H; k += 32) column_of_square(squares + k * 32, id % 32, (T*)g.x + rows_index(m, k, g.H));
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
