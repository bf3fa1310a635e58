// The forward pass on tiles, bf16. Everything is TRANSPOSED (keys down, queries across):  S^T = K Q^T,  O^T = V^T P^T
//  - maxima and sums of a softmax are lanes of a vector: no horizontal steps
//  - two rows of P^T, narrowed, are one line of a right operand after one permutation: no transposes in the loop
#pragma once
#include "cpu/amx.h"
#include "kernels/attention/heads.body.h"

namespace attune::ATTUNE_ISA::attention_body {

struct Softmax {  // of 32 queries: largest score so far, in powers of two, and sum of the weights against it
  F16 top[2], total[2];
};

// score: `count` blocks of 32 keys as tiles. Their weights go to `weights` as right operands; sums of former keys (D/32 blocks, null: none yet)
// shrink where the maximum has risen by more than 2^8 (rarely: until then weights up to 2^8 are as good as any).
static void weigh(Softmax& s, const float* score, long count, float factor, bf16* weights, float* sums, long D) {
  for (int h = 0; h < 2; h++) {
    F16 m[4] = {set1(kHidden), set1(kHidden), set1(kHidden), set1(kHidden)};
    for (long k = 0; k < count; k++)
      for (int r = 0; r < 32; r += 4)
        for (int i = 0; i < 4; i++) m[i] = max(m[i], load(score + k * kStep + place<true>(r + i, h)));
    const F16 top = max(s.top[h], max(max(m[0], m[1]), max(m[2], m[3])) * set1(factor));
    if (any_above(top, s.top[h] + set1(8.f))) {
      const F16 less = exp2<6>(s.top[h] - top);
      for (long i = 0; sums && i < D; i++) {
        float* x = sums + i / 32 * kStep + place<true>(i % 32, h);
        store(x, load(x) * less);
      }
      s.total[h] = s.total[h] * less, s.top[h] = top;
    }
    F16 a = s.total[h], b = zero();
    const F16 down = zero() - s.top[h], by = set1(factor);
    for (long k = 0; k < count; k++)
      for (int p = 0; p < 16; p++) {
        const float* x = score + k * kStep + place<true>(2 * p, h);
        const F16 u = exp2<3>(fma(load(x), by, down)), v = exp2<3>(fma(load(x + 16), by, down));
        a = a + u, b = b + v;
        put_line(weights + k * kStep + h * 512 + p * 32, pairs(u, v));
      }
    s.total[h] = a + b;
  }
}

static size_t forward_own(long D) { return (2 * D / 32 + kKeyBlocks) * kStep * 2 + (D / 32 + kKeyBlocks) * kStep * 4; }

// Sums O^T of 32 queries, times a factor per query, to their rows; `rows` and `turned`: a block each.
static void write_out(const Job& j, const Task& t, long q, const float* sums, const F16* factor, bf16* rows, bf16* turned) {
  const long first = t.first + q * 32;
  for (long d = 0; d < j.shape.D / 32; d++) {
    for (int r = 0; r < 32; r++) {
      const float* x = sums + d * kStep;
      put_line(rows + r * 32, narrow(load(x + place<true>(r, 0)) * factor[0], load(x + place<true>(r, 1)) * factor[1]));
    }
    transpose_block(rows, turned);
    bf16* out = (bf16*)j.out;
    for (long r = 0; r < 32 && first + r < t.last; r++)
      put_line(out + rows_index(first + r, t.head * j.shape.D + d * 32, j.shape.heads * j.shape.D), line(turned + r * 32));
  }
}
static void write_lse(const Job& j, const Task& t, long q, const Softmax& s) {
  float top[32], total[32];
  for (int h = 0; h < 2; h++) store(top + h * 16, s.top[h]), store(total + h * 16, s.total[h]);
  for (long r = 0, token = t.first + q * 32; r < 32 && token < t.last; r++, token++)
    j.lse[t.head * j.tokens + token] = (top[r] + log2f(total[r])) * kLn2;
}

static void forward_block(const Job& j, const Task& t, long q, char* own) {
  const long D = j.shape.D, db = D / 32, g = t.head / (j.shape.heads / j.shape.kv_heads), at = (g * j.blocks + t.base) * db * kStep;
  const bf16 *keys = (const bf16*)j.packed[0] + at, *values = (const bf16*)j.packed[1] + at;
  bf16 *rows = (bf16*)own, *panel = rows + db * kStep, *weights = panel + db * kStep;
  float *sum = (float*)(weights + kKeyBlocks * kStep), *score = sum + db * kStep;
  gather<bf16>(j, j.qkv, j.columns, t.head * D, t, q, true, rows);
  for (long d = 0; d < db; d++) panel_of_columns(rows + d * kStep, panel + d * kStep);
  const F16 start = set1(kStart * j.factor);
  Softmax s{{start, start}, {zero(), zero()}};
  const Range seen = keys_of(j.shape, {q, q + 1}, task_blocks(t));
  for (long c = seen.from; c < seen.to; c += kKeyBlocks) {
    const long ce = least(seen.to, c + kKeyBlocks);
    written();
    for (long k = c; k < ce; k++) {
      float* x = score + (k - c) * kStep;
      tiles_zero();
      for (long d = 0; d < db; d++) tiles_step(keys + (k * db + d) * kStep, panel + d * kStep);
      tiles_store(x);
      if (j.shape.softcap) cap(j, x);
      if (is_partial(j.shape, q, k, t.last - t.first)) mask<true>(j, t, x, q, k, kHidden);
    }
    weigh(s, score, ce - c, j.factor, weights, c > seen.from ? sum : nullptr, D);
    written();
    for (long d = 0; d < db; d++) {
      if (c > seen.from)
        tiles_load(sum + d * kStep);
      else
        tiles_zero();
      for (long k = c; k < ce; k++) tiles_step(values + (k * db + d) * kStep, weights + (k - c) * kStep);
      tiles_store(sum + d * kStep);
    }
  }
  const F16 inverse[2] = {set1(1.f) / s.total[0], set1(1.f) / s.total[1]};
  write_out(j, t, q, sum, inverse, rows, panel);
  if (j.lse) write_lse(j, t, q, s);
}

static void forward(const Job& j, const Task& t, char* own) {
  const Tiles tiles;
  for (long q = t.from; q < t.to; q++) forward_block(j, t, q, own);
}

// Keys and values of one key/value head. Left operands: K rows for S^T; forward V^T for O^T; backward V rows for dP^T and K^T for dQ^T.
static void pack(const Job& j, const Task& t, bool backward, char* own) {
  const long D = j.shape.D, db = D / 32, H = j.shape.heads, G = j.shape.kv_heads;
  for (long b = t.from; b < t.to; b++) {
    const long at = ((t.head * j.blocks + t.base) + b) * db * kStep;
    bf16 *keys = (bf16*)j.packed[0] + at, *values = (bf16*)j.packed[1] + at;
    gather<bf16>(j, j.qkv, j.columns, (H + t.head) * D, t, b, true, keys);
    gather<bf16>(j, j.qkv, j.columns, (H + G + t.head) * D, t, b, false, backward ? values : (bf16*)own);
    for (long d = 0; d < db; d++) {
      if (backward)
        transpose_block(keys + d * kStep, (bf16*)j.packed[2] + at + d * kStep);
      else
        transpose_block((bf16*)own + d * kStep, values + d * kStep);
    }
  }
}

}  // namespace attune::ATTUNE_ISA::attention_body
