// The oracle: one query at a time, every sum in double, nothing recalled from the forward pass (backward computes the softmax again and needs
// neither out nor lse). A task is one key/value head of one sequence, with all its query heads in ascending order.
#include "cpu/threads.h"
#include "kernels/attention/variants.h"
#include <algorithm>
#include <cmath>

namespace attune::attention {
namespace {

template <class T> struct Matrix {  // rows layout
  T* x;
  long columns;
  double get(long m, long k) const { return to_float(x[rows_index(m, k, columns)]); }
  void set(long m, long k, double value) const { store(x + rows_index(m, k, columns), float(value)); }
};

long longest(const Shape& s) {
  long n = 0;
  for (long i = 0; i < s.sequences; i++) n = std::max(n, long(s.starts[i + 1] - s.starts[i]));
  return n;
}

// One head of token t: (D,) numbers from column `from`, rotated where asked.
template <class T> void read_head(const Matrix<const T>& x, const Shape& s, long t, long from, bool rotate, double* to) {
  for (long i = 0; i < s.D; i++) to[i] = x.get(t, from + i);
  if (!rotate || !s.cos) return;
  for (long i = 0, half = s.D / 2; i < half; i++) {
    const double c = s.cos[t * half + i], sn = s.sin[t * half + i], a = to[i], b = to[i + half];
    to[i] = a * c - b * sn, to[i + half] = b * c + a * sn;
  }
}

// Writes the gradient of a head; a rotated one is turned back (the transpose of the rotation).
template <class T> void write_head(const Matrix<T>& x, const Shape& s, long t, long from, bool rotate, const double* g) {
  for (long i = 0, half = s.D / 2; i < half; i++) {
    double a = g[i], b = g[i + half];
    if (rotate && s.cos) {
      const double c = s.cos[t * half + i], sn = s.sin[t * half + i];
      a = g[i] * c + g[i + half] * sn, b = g[i + half] * c - g[i] * sn;
    }
    x.set(t, from + i, a), x.set(t, from + i + half, b);
  }
}

// Keys that a query sees, ascending, as places in its sequence.
struct List {
  const long* key;
  long count;
  const long* begin() const { return key; }
  const long* end() const { return key + count; }
};
bool sees(const Shape& s, long first, long i, long j) {
  if (s.causal && j > i) return false;
  if (s.window && (s.positions ? s.positions[first + i] - s.positions[first + j] : i - j) >= s.window) return false;
  return !(s.hidden_from && s.hidden_from[first + i] <= first + j && first + j < s.hidden_to[first + i]);
}
// Of query i of the sequence of n tokens from `first` on; room: n numbers.
List seen(const Shape& s, long first, long i, long n, long* room) {
  long count = 0;
  for (long j = 0; j < n; j++)
    if (sees(s, first, i, j)) room[count++] = j;
  return {room, count};
}

double dot(const double* a, const double* b, long n) {
  double sum = 0;
  for (long i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

// p[j] = softmax over the keys seen; returns lse. slope[j] (where wanted) = d score / d (scale q.k): 1 - tanh^2 of the soft cap.
double softmax(const Shape& s, const double* q, const double* keys, const List& k, double* p, double* slope) {
  double top = -INFINITY, sum = 0;
  for (long j : k) {
    p[j] = dot(q, keys + j * s.D, s.D) * s.scale;
    const double t = s.softcap ? std::tanh(p[j] / s.softcap) : 0;
    if (s.softcap) p[j] = s.softcap * t;
    if (slope) slope[j] = 1 - t * t;
    top = std::max(top, p[j]);
  }
  for (long j : k) sum += p[j] = std::exp(p[j] - top);
  for (long j : k) p[j] /= sum;
  return top + std::log(sum);
}

struct Task {
  long first, n, g;  // first token, tokens, key/value head
};
Task task_of(const Shape& s, long task) {
  const long q = task / s.kv_heads;
  return {s.starts[q], s.starts[q + 1] - s.starts[q], task % s.kv_heads};
}

template <class T> void read_keys_values(const Shape& s, const Matrix<const T>& qkv, const Task& t, double* keys, double* values) {
  for (long j = 0; j < t.n; j++) {
    read_head(qkv, s, t.first + j, (s.heads + t.g) * s.D, true, keys + j * s.D);
    read_head(qkv, s, t.first + j, (s.heads + s.kv_heads + t.g) * s.D, false, values + j * s.D);
  }
}

template <class T> void forward_task(const Forward& f, const Task& t, double* workspace) {
  const Shape& s = f.shape;
  const long D = s.D, per = s.heads / s.kv_heads, tokens = s.starts[s.sequences];
  const Matrix<const T> qkv{static_cast<const T*>(f.qkv), (s.heads + 2 * s.kv_heads) * D};
  const Matrix<T> out{static_cast<T*>(f.out), s.heads * D};
  double *keys = workspace, *values = keys + t.n * D, *p = values + t.n * D, q[kMostHead], o[kMostHead];
  long* list = reinterpret_cast<long*>(p + t.n);
  read_keys_values(s, qkv, t, keys, values);
  for (long h = t.g * per; h < (t.g + 1) * per; h++)
    for (long i = 0; i < t.n; i++) {
      const List k = seen(s, t.first, i, t.n, list);
      read_head(qkv, s, t.first + i, h * D, true, q);
      const double lse = softmax(s, q, keys, k, p, nullptr);
      std::fill(o, o + D, 0.0);
      for (long j : k)
        for (long d = 0; d < D; d++) o[d] += p[j] * values[j * D + d];
      for (long d = 0; d < D; d++) out.set(t.first + i, h * D + d, o[d]);
      if (f.lse) f.lse[h * tokens + t.first + i] = float(lse);
    }
}

template <class T> void backward_task(const Backward& b, const Task& t, double* workspace) {
  const Shape& s = b.shape;
  const long D = s.D, per = s.heads / s.kv_heads, size = t.n * D;
  const Matrix<const T> qkv{static_cast<const T*>(b.qkv), (s.heads + 2 * s.kv_heads) * D}, dout{static_cast<const T*>(b.dout), s.heads * D};
  const Matrix<T> dqkv{static_cast<T*>(b.dqkv), qkv.columns};
  double *keys = workspace, *values = keys + size, *dk = values + size, *dv = dk + size, *p = dv + size, *dp = p + t.n, *slope = dp + t.n;
  double q[kMostHead], go[kMostHead], dq[kMostHead];
  long* list = reinterpret_cast<long*>(slope + t.n);
  read_keys_values(s, qkv, t, keys, values);
  std::fill(dk, dk + 2 * size, 0.0);
  for (long h = t.g * per; h < (t.g + 1) * per; h++)
    for (long i = 0; i < t.n; i++) {
      const List k = seen(s, t.first, i, t.n, list);
      read_head(qkv, s, t.first + i, h * D, true, q);
      read_head(dout, s, t.first + i, h * D, false, go);
      softmax(s, q, keys, k, p, slope);
      double delta = 0;
      for (long j : k) dp[j] = dot(go, values + j * D, D), delta += p[j] * dp[j];
      std::fill(dq, dq + D, 0.0);
      for (long j : k) {
        const double ds = p[j] * (dp[j] - delta) * slope[j] * s.scale;
        for (long d = 0; d < D; d++) dq[d] += ds * keys[j * D + d], dk[j * D + d] += ds * q[d], dv[j * D + d] += p[j] * go[d];
      }
      write_head(dqkv, s, t.first + i, h * D, true, dq);
    }
  for (long j = 0; j < t.n; j++) {
    write_head(dqkv, s, t.first + j, (s.heads + t.g) * D, true, dk + j * D);
    write_head(dqkv, s, t.first + j, (s.heads + s.kv_heads + t.g) * D, false, dv + j * D);
  }
}

}  // namespace

size_t forward_bytes_reference(const Shape& s, int threads) { return size_t(threads) * longest(s) * (2 * s.D + 2) * 8; }
size_t backward_bytes_reference(const Shape& s, int threads) { return size_t(threads) * longest(s) * (4 * s.D + 4) * 8; }

void forward_reference(Team& team, const Forward& f, char* workspace) {
  const size_t own = forward_bytes_reference(f.shape, 1);
  team.tasks(f.shape.sequences * f.shape.kv_heads, [&](long i, int thread) {
    double* room = reinterpret_cast<double*>(workspace + thread * own);
    if (f.shape.dtype == DType::f32)
      forward_task<float>(f, task_of(f.shape, i), room);
    else
      forward_task<bf16>(f, task_of(f.shape, i), room);
  });
}
void backward_reference(Team& team, const Backward& b, char* workspace) {
  const size_t own = backward_bytes_reference(b.shape, 1);
  team.tasks(b.shape.sequences * b.shape.kv_heads, [&](long i, int thread) {
    double* room = reinterpret_cast<double*>(workspace + thread * own);
    if (b.shape.dtype == DType::f32)
      backward_task<float>(b, task_of(b.shape, i), room);
    else
      backward_task<bf16>(b, task_of(b.shape, i), room);
  });
}

}  // namespace attune::attention
