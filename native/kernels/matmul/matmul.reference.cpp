// The oracle: one number at a time, sums in double.
#include "kernels/matmul/variants.h"
#include <cmath>

namespace attune::matmul {
namespace {

// Number (k, n) of a right operand.
double right_at(const Panels& p, DType t, long k, long n) {
  const long square = (n / 32 * p.per_column + k / 32 * p.per_step) * kStep;
  const long row = (p.turned ? n : k) & 31, column = (p.turned ? k : n) & 31;
  if (t == DType::f32) return ((const float*)p.at)[square + row * 32 + column];
  return to_float(((const bf16*)p.at)[square + column / 16 * 512 + row / 2 * 32 + (column & 15) * 2 + (row & 1)]);
}
double left_at(const void* x, DType t, long m, long k, long columns) {
  const long i = rows_index(m, k, columns);
  return t == DType::f32 ? ((const float*)x)[i] : to_float(((const bf16*)x)[i]);
}
void put(void* x, DType t, long i, double value) {
  if (t == DType::f32)
    ((float*)x)[i] = float(value);
  else
    ((bf16*)x)[i] = to_bf16(float(value));
}

double sum_of(const Rows& p, long m, long n) {
  double sum = 0;
  if (p.low_left) {
    const long from = p.window ? p.window[n / 32 * 2] * 32L : 0, to = p.window ? p.window[n / 32 * 2 + 1] * 32L : p.low.steps * 32;
    for (long k = from; k < to; k++) sum += left_at(p.low_left, p.dtype, m, k, p.low_columns) * right_at(p.low, p.dtype, k, n);
  }
  for (long k = 0; k < p.right.steps * 32; k++) sum += left_at(p.a, p.dtype, m, k, p.a_columns) * right_at(p.right, p.dtype, k, n);
  return sum;
}
double silu(double x) { return x / (1 + std::exp(-x)); }

// Gate and up lie 16 by 16: n counts the activation's columns.
void activate(const Rows& p, long m, long n, double gate, double up) {
  if (p.kept) {
    const long columns = p.right.columns;
    put(p.kept, p.dtype, rows_index(m, n / 16 * 32 + n % 16, columns), gate),
        put(p.kept, p.dtype, rows_index(m, n / 16 * 32 + 16 + n % 16, columns), up);
  }
  put(p.c, p.dtype, rows_index(m, n, p.c_columns), silu(gate) * up);
}
void activate_backward(const Rows& p, long m, long n, double d) {
  const long columns = 2 * p.right.columns, g = rows_index(m, n / 16 * 32 + n % 16, columns),
             u = rows_index(m, n / 16 * 32 + 16 + n % 16, columns);
  const double gate = left_at(p.kept, p.dtype, m, n / 16 * 32 + n % 16, columns),
               up = left_at(p.kept, p.dtype, m, n / 16 * 32 + 16 + n % 16, columns);
  const double s = 1 / (1 + std::exp(-gate));
  put(p.kept, p.dtype, g, d * up * (s + gate * s * (1 - s))), put(p.kept, p.dtype, u, d * gate * s);
  put(p.c, p.dtype, rows_index(m, n, p.c_columns), gate * s * up);
}

void finish(const Rows& p, long m, long n, double sum) {
  const double bias = p.bias ? p.bias[n] : 0;
  const long i = rows_index(m, n, p.c_columns);
  switch (p.finish) {
    case 0:
      return put(p.c, p.dtype, i, sum + bias);
    case 1:
      return put(p.c, p.dtype, i, sum * p.scale);
    case 2:
      return put(p.c, p.dtype, i, left_at(p.residual, p.dtype, m, n, p.c_columns) + sum + bias);
    case 4:
      return activate_backward(p, m, n, sum);
    case 5:
      if (n < p.logical_columns) ((float*)p.c)[m * p.logical_columns + n] = float(sum);
  }
}
void zero(void* x, DType t, long columns, long count, long last) {
  for (long m = last; m < round32(last); m++)
    for (long n = 0; n < count; n++) put(x, t, rows_index(m, n, columns), 0);
}

void rows(const Rows& p, long first, long last, float*) {
  const long N = p.right.columns;
  for (long m = first; m < last; m++)
    for (long n = 0; n < N; n++) {
      const double sum = p.finish == 3 && (n & 16) ? 0 : sum_of(p, m, n);
      if (p.finish != 3)
        finish(p, m, n, sum);
      else if (!(n & 16))
        activate(p, m, n / 32 * 16 + n % 16, sum + (p.bias ? p.bias[n] : 0), sum_of(p, m, n + 16) + (p.bias ? p.bias[n + 16] : 0));
    }
  if (p.finish == 5) return;
  zero(p.c, p.dtype, p.c_columns, p.finish == 3 ? N / 2 : N, last);
  if (p.finish >= 3 && p.kept) zero(p.kept, p.dtype, p.finish == 3 ? N : 2 * N, p.finish == 3 ? N : 2 * N, last);
}

void contract(const Sums& c, long from, long to, float*) {
  for (long r = 0; r < c.R; r++)
    for (long k = from; k < to; k++) {
      double sum = 0;
      for (long m = 0; m < c.M; m++)
        sum += left_at(c.left, c.dtype, m, r, c.left_columns) * left_at(c.right, c.dtype, m, k, c.right_columns);
      c.out[rows_index(r, k, c.K)] += float(sum);
    }
}

void column_sums(const void* x, DType dtype, long M, long columns, long count, float* out) {
  for (long k = 0; k < count; k++) {
    double sum = 0;
    for (long m = 0; m < M; m++) sum += left_at(x, dtype, m, k, columns);
    out[k] += float(sum);
  }
}

}  // namespace

const Table reference_table{rows, contract, nullptr, column_sums};

}  // namespace attune::matmul
