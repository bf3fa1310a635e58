// The forward pass over blocks, in fp32, for one instruction set. Scores are kept TRANSPOSED, [32 keys][32 queries]: maxima and sums of a softmax are
// lanes of a vector (no horizontal steps), and a row of P^T is what the product with V broadcasts from.
#pragma once
#include "kernels/attention/heads.body.h"
#include "kernels/attention/product.body.h"

namespace attune::ATTUNE_ISA::attention_body {

struct Softmax {  // of 32 queries: largest score so far, in powers of two, and sum of the weights against it
  F16 top[2], total[2];
};

// score: `count` blocks of 32 keys. They become weights against the running maximum; sums of former keys shrink where it has risen by more than
// 2^8 (rarely: until then weights up to 2^8 are as good as any). Returns whether it has; the factors are in `shrink` then.
template <int degree> static bool weigh(Softmax& s, float* score, long count, float factor, float* shrink) {
  bool risen = false;
  for (int h = 0; h < 2; h++) {
    F16 m[4] = {set1(kHidden), set1(kHidden), set1(kHidden), set1(kHidden)};
    float* x = score + h * 16;
    for (long r = 0; r < count * 32; r += 4)
      for (int i = 0; i < 4; i++) m[i] = max(m[i], load(x + (r + i) * 32));
    const F16 top = max(s.top[h], max(max(m[0], m[1]), max(m[2], m[3])) * set1(factor));
    store(shrink + h * 16, set1(1.f));
    if (any_above(top, s.top[h] + set1(8.f))) {
      const F16 less = exp2<6>(s.top[h] - top);
      store(shrink + h * 16, less);
      s.total[h] = s.total[h] * less, s.top[h] = top, risen = true;
    }
    F16 sum[2] = {s.total[h], zero()};
    for (long r = 0; r < count * 32; r += 2)
      for (int i = 0; i < 2; i++) {
        const F16 w = exp2<degree>(fma(load(x + (r + i) * 32), set1(factor), zero() - s.top[h]));
        sum[i] = sum[i] + w;
        store(x + (r + i) * 32, w);
      }
    s.total[h] = sum[0] + sum[1];
  }
  return risen;
}

// out (D/32 blocks of [32 queries][32]) times a factor per query.
static void scale_rows(float* out, long D, const float* factor) {
  for (long d = 0; d < D / 32; d++)
    for (long r = 0; r < 32; r++) {
      float* x = out + d * kStep + r * 32;
      store(x, load(x) * set1(factor[r])), store(x + 16, load(x + 16) * set1(factor[r]));
    }
}

static size_t forward_own(long D) { return (3 * D / 32 + kKeyBlocks) * kStep * 4; }

// 32 queries of one head.
template <class T> static void forward_block(const Job& j, const Task& t, long q, char* own) {
  const long D = j.shape.D, db = D / 32, g = t.head / (j.shape.heads / j.shape.kv_heads);
  const float* keys = (const float*)j.packed[0] + (g * j.blocks + t.base) * db * kStep;
  const float* values = (const float*)j.packed[1] + (g * j.blocks + t.base) * db * kStep;
  float *rows = (float*)own, *panel = rows + db * kStep, *sum = panel + db * kStep, *score = sum + db * kStep, factor[32];
  gather<T>(j, j.qkv, j.columns, t.head * D, t, q, true, rows);
  for (long d = 0; d < db; d++) transpose(rows + d * kStep, panel + d * kStep);
  const F16 start = set1(kStart * j.factor);
  Softmax s{{start, start}, {zero(), zero()}};
  const Keys seen = keys_of(j, t, q);
  bool fresh = true;
  for (const Range& run : seen.run)
    for (long c = run.from; c < run.to; c += kKeyBlocks, fresh = false) {
      const long ce = least(run.to, c + kKeyBlocks);
      for (long k = c; k < ce; k++) {
        float* x = score + (k - c) * kStep;
        product<false>(x, true, keys + k * db * kStep, kStep, panel, kStep, db);
        if (j.shape.softcap) cap(j, x);
        if (is_partial(j, t, q, k)) mask<false>(j, t, x, q, k, kHidden);
      }
      if (weigh<ExpDegree<T>::value>(s, score, ce - c, j.factor, factor) && !fresh) scale_rows(sum, D, factor);
      for (long d = 0; d < db; d++) product<true>(sum + d * kStep, fresh, score, kStep, values + (c * db + d) * kStep, db * kStep, ce - c);
    }
  float top[32], total[32];
  for (int h = 0; h < 2; h++)
    store(top + h * 16, s.top[h]), store(total + h * 16, s.total[h]), store(factor + h * 16, set1(1.f) / s.total[h]);
  scale_rows(sum, D, factor);
  for (long r = 0, token = t.first + q * 32; r < 32 && token < t.last; r++, token++) {
    T* to = (T*)j.out + rows_index(token, t.head * D, j.shape.heads * D);
    for (long d = 0; d < db; d++) store32(to + d * kStep, load(sum + d * kStep + r * 32), load(sum + d * kStep + r * 32 + 16));
    if (j.lse) j.lse[t.head * j.tokens + token] = (top[r] + log2f(total[r])) * kLn2;
  }
}

template <class T> static void forward(const Job& j, const Task& t, char* own) {
  for (long q = t.from; q < t.to; q++) forward_block<T>(j, t, q, own);
}

// Keys and values of one key/value head: rows, rotated, as they are for both operands.
template <class T> static void pack(const Job& j, const Task& t, bool, char*) {
  const long D = j.shape.D, db = D / 32, at = (t.head * j.blocks + t.base) * db * kStep;
  for (long b = t.from; b < t.to; b++) {
    gather<T>(j, j.qkv, j.columns, (j.shape.heads + t.head) * D, t, b, true, (float*)j.packed[0] + at + b * db * kStep);
    gather<T>(j, j.qkv, j.columns, (j.shape.heads + j.shape.kv_heads + t.head) * D, t, b, false, (float*)j.packed[1] + at + b * db * kStep);
  }
}

}  // namespace attune::ATTUNE_ISA::attention_body
