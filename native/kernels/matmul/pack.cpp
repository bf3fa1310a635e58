// Packing of weights and of activations: from row-major numbers to panels and to the rows layout, and back.
#include "cpu/guard.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/variants.h"

namespace attune::matmul {
namespace {

long forward_index(const Weights& w, long n, long k) {
  const long square = (n / 32 * (w.K / 32) + k / 32) * kStep;
  if (w.dtype == DType::f32) return square + (k & 31) * 32 + (n & 31);
  return square + (n / 16 & 1) * 512 + (k & 31) / 2 * 32 + (n & 15) * 2 + (k & 1);
}
long backward_index(const Weights& w, long n, long k) {
  return (k / 32 * (w.N / 32) + n / 32) * kStep + (k / 16 & 1) * 512 + (n & 31) / 2 * 32 + (k & 15) * 2 + (n & 1);
}

}  // namespace

void allocate(Weights& w, DType dtype, long N, long K, bool both) {
  w.dtype = dtype, w.N = N, w.K = K;
  w.forward.release(), w.backward.release();
  const size_t bytes = size_t(N) * K * bytes_of(dtype);
  w.forward.reserve(bytes);
  if (both && dtype == DType::bf16 && cpu::chosen() >= cpu::Isa::amx) w.backward.reserve(bytes);
}

namespace {

// One row, number by number: what the variants cannot take.
bool pack_row(Weights& w, const Source& s, long i) {
  bool finite = true;
  const long n = s.row_at ? s.row_at[i] : i;
  for (long j = 0; j < s.columns; j++) {
    const long k = s.column_at ? s.column_at[j] : j;
    const float x = stored_to_float(s.data, s.stored, s.transposed ? j * s.rows + i : i * s.columns + j);
    finite &= x - x == 0.f;
    if (w.dtype == DType::f32)
      w.forward.as<float>()[forward_index(w, n, k)] = x;
    else
      w.forward.as<bf16>()[forward_index(w, n, k)] = to_bf16(x);
    if (w.backward.bytes()) w.backward.as<bf16>()[backward_index(w, n, k)] = to_bf16(x);
  }
  return finite;
}

// Which number of a source row goes to each physical column, and where 32 of them lie together.
struct Columns {
  Ints from, starts;
  Columns(const Source& s, long K) : from(K, -1), starts(K / 32) {
    for (long j = 0; j < s.columns; j++) from[s.column_at ? s.column_at[j] : j] = int(j);
    for (long k = 0; k < K; k += 32) {
      bool together = from[k] >= 0;
      for (long i = 1; i < 32 && together; i++) together = from[k + i] == from[k] + i;
      starts[k / 32] = together ? from[k] : -1;
    }
  }
};

// Whether the 16 rows from i on become one half of a 32-row block.
bool side_by_side(const Source& s, long i, long last) {
  if (i + 16 > last) return false;
  const long n = s.row_at ? s.row_at[i] : i;
  for (long r = 1; s.row_at && r < 16; r++)
    if (s.row_at[i + r] != n + r) return false;
  return n % 16 == 0;
}

}  // namespace

bool pack(Weights& w, const Source& s, long first, long last) {
  bool finite = true;
  const Table& variant = table();
  const Columns columns(s, w.K);
  const long size = bytes_of(w.dtype);
  for (long i = first; i < last;) {
    if (!variant.pack || s.transposed || !side_by_side(s, i, last)) {
      finite &= pack_row(w, s, i++);
      continue;
    }
    const long n = s.row_at ? s.row_at[i] : i;
    PackRows p{w.dtype,
               s.stored,
               {},
               w.N,
               w.K,
               n / 16 & 1,
               w.forward.as<char>(n / 32 * (w.K / 32) * kStep * size),
               nullptr,
               columns.from.data(),
               columns.starts.data()};
    for (long r = 0; r < 16; r++) p.row[r] = static_cast<const char*>(s.data) + (i + r) * s.columns * bytes_of(s.stored);
    if (w.backward.bytes()) p.backward = w.backward.as<char>(n / 32 * kStep * size);
    finite &= variant.pack(p);
    i += 16;
  }
  return finite;
}

float at(const Weights& w, long n, long k) {
  const long i = forward_index(w, n, k);
  return w.dtype == DType::f32 ? w.forward.as<float>()[i] : to_float(w.forward.as<bf16>()[i]);
}

Panels panels(const Weights& w, bool transposed) {
  Panels p;
  p.columns = transposed ? w.K : w.N, p.steps = (transposed ? w.N : w.K) / 32;
  if (transposed && !w.backward.bytes()) {
    p.at = w.forward.as<void>(), p.turned = true;
    p.per_column = 1, p.per_step = w.K / 32;
  } else {
    p.at = transposed ? w.backward.as<void>() : w.forward.as<void>();
    p.per_column = p.steps, p.per_step = 1;
  }
  return p;
}

template <class T> static void rows_from(const float* x, T* out, long M, long K) {
  const long columns = round32(K);
  for (long m = 0; m < round32(M); m++)
    for (long k = 0; k < columns; k++) store(out + rows_index(m, k, columns), m < M && k < K ? x[m * K + k] : 0.f);
}
template <class T> static void rows_to(const T* x, float* out, long M, long K) {
  for (long m = 0; m < M; m++)
    for (long k = 0; k < K; k++) out[m * K + k] = to_float(x[rows_index(m, k, round32(K))]);
}
void rows_from(const float* x, void* out, DType dtype, long M, long K) {
  if (dtype == DType::f32)
    rows_from(x, (float*)out, M, K);
  else
    rows_from(x, (bf16*)out, M, K);
}
void rows_to(const void* x, float* out, DType dtype, long M, long K) {
  if (dtype == DType::f32)
    rows_to((const float*)x, out, M, K);
  else
    rows_to((const bf16*)x, out, M, K);
}

}  // namespace attune::matmul
