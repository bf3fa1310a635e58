// The table of variants: chosen by the instruction set of the calling thread.
#include "kernels/embedding/embedding.h"
#include "cpu/variant.h"
#include "kernels/embedding/variants.h"

namespace attune::embedding {
namespace {

template <class T> void forward_reference(const matmul::Weights& w, const int* ids, T* x, long first, long last) {
  for (long m = first; m < last; m++)
    for (long k = 0; k < w.K; k++) store(x + rows_index(m, k, w.K), matmul::at(w, ids[m], k));
}

template <class T> void clear_padding(T* x, long columns, long last) {
  for (long m = last; m < round32(last); m++)
    for (long k = 0; k < columns; k += 32) memset((void*)(x + rows_index(m, k, columns)), 0, 32 * sizeof(T));
}

void gather(const matmul::Weights& w, const int* ids, void* x, long first, long last) {
  const Gather g{w.dtype, w.forward.as<void>(), w.K, ids, x};
  using Run = void (*)(const Gather&, long, long);
  if (const Run run = cpu::variant<Run>(nullptr, ATTUNE_AVX2(forward_avx2), ATTUNE_AVX512(forward_avx512))) return run(g, first, last);
  if (w.dtype == DType::f32)
    forward_reference(w, ids, (float*)x, first, last);
  else
    forward_reference(w, ids, (bf16*)x, first, last);
}

}  // namespace

void forward(const matmul::Weights& w, const int* ids, long N, void* x, long first, long last) {
  last = last < N ? last : N;
  gather(w, ids, x, first, last);
  if (w.dtype == DType::f32)
    clear_padding((float*)x, w.K, last);
  else
    clear_padding((bf16*)x, w.K, last);
}

void backward(const void* dx, DType dtype, const int* ids, long N, long H, float* dw, long from, long to) {
  const Scatter s{dtype, dx, ids, N, H, dw};
  cpu::variant(backward_reference, ATTUNE_AVX2(backward_avx2), ATTUNE_AVX512(backward_avx512))(s, from, to);
}

}  // namespace attune::embedding
