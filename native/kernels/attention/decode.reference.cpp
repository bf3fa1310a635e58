// The oracle of append and decode: one number at a time, sums in double. Two passes over the keys of a head, so that no score is kept.
#include "kernels/attention/variants.h"
#include <algorithm>
#include <cmath>

namespace attune::attention {
namespace {

template <class T> void append_row(const AppendRow& a) {
  const Cache& c = *a.cache;
  const long D = c.D, half = D / 2, columns = (a.heads + 2 * c.kv_heads) * D;
  const T* x = static_cast<const T*>(a.qkv);
  for (long g = 0; g < c.kv_heads; g++) {
    T* key = static_cast<T*>(c.keys) + cache_index(c, a.slot, g);
    T* value = static_cast<T*>(c.values) + cache_index(c, a.slot, g);
    const long k = (a.heads + g) * D, v = (a.heads + c.kv_heads + g) * D;
    for (long i = 0; i < half; i++) {
      const double u = to_float(x[rows_index(a.row, k + i, columns)]), w = to_float(x[rows_index(a.row, k + half + i, columns)]);
      const double cs = a.cos ? a.cos[a.row * half + i] : 1, sn = a.cos ? a.sin[a.row * half + i] : 0;
      store(key + i, float(u * cs - w * sn)), store(key + half + i, float(w * cs + u * sn));
    }
    for (long i = 0; i < D; i++) value[i] = x[rows_index(a.row, v + i, columns)];
  }
}

template <class T> void decode_head(const Decode& d, long row, long h) {
  const Cache& c = d.cache;
  const long D = c.D, half = D / 2, columns = (d.heads + 2 * c.kv_heads) * D, g = h / (d.heads / c.kv_heads);
  const T *x = static_cast<const T*>(d.qkv), *keys = static_cast<const T*>(c.keys), *values = static_cast<const T*>(c.values);
  double q[kMostHead], o[kMostHead] = {}, top = -INFINITY, sum = 0;
  for (long i = 0; i < half; i++) {
    const double u = to_float(x[rows_index(row, h * D + i, columns)]), w = to_float(x[rows_index(row, h * D + half + i, columns)]);
    const double cs = d.cos ? d.cos[row * half + i] : 1, sn = d.cos ? d.sin[row * half + i] : 0;
    q[i] = u * cs - w * sn, q[half + i] = w * cs + u * sn;
  }
  const long last = d.lengths[row], first = d.window ? std::max(0L, last - d.window) : 0;
  auto place = [&](long j) { return cache_index(c, d.pages[row * d.max_pages + j / 32] * 32L + j % 32, g); };
  auto score = [&](long j) {
    const T* k = keys + place(j);
    double s = 0;
    for (long i = 0; i < D; i++) s += q[i] * to_float(k[i]);
    return d.softcap ? d.softcap * std::tanh(s * d.scale / d.softcap) : s * d.scale;
  };
  for (long j = first; j < last; j++) top = std::max(top, score(j));
  for (long j = first; j < last; j++) {
    const double p = std::exp(score(j) - top);
    const T* v = values + place(j);
    sum += p;
    for (long i = 0; i < D; i++) o[i] += p * to_float(v[i]);
  }
  T* out = static_cast<T*>(d.out);
  for (long i = 0; i < D; i++) store(out + rows_index(row, h * D + i, d.heads * D), sum > 0 || sum != sum ? float(o[i] / sum) : 0.f);
}

template <class T> void decode_heads(const Decode& d, long row, long g) {
  const long per = d.heads / d.cache.kv_heads;
  for (long h = g * per; h < (g + 1) * per; h++) decode_head<T>(d, row, h);
}

}  // namespace

const Paged& paged_reference(DType t) {
  static const Paged f{append_row<float>, decode_heads<float>}, h{append_row<bf16>, decode_heads<bf16>};
  return t == DType::f32 ? f : h;
}

}  // namespace attune::attention
