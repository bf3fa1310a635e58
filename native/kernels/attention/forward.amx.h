// The forward pass on tiles, bf16. Everything is TRANSPOSED (keys down, queries across):  S^T = K Q^T,  O^T = V^T P^T
//  - maxima and sums of a softmax are lanes of a vector: no horizontal steps
//  - two rows of P^T, narrowed, are one line of a right operand: no transposes in the loop
// A task is a chain of passes, each of up to 128 keys for 32 queries, and all queries of the task take their turn at the same keys. While the vector
// units weigh the scores of a pass, the tile unit makes the scores of the next one and adds up the values of the last one.
#pragma once
#include "kernels/attention/heads.body.h"
#include "kernels/attention/program.amx.h"

namespace attune::ATTUNE_ISA::attention_body {

struct Pass {
  long q, from, to;  // queries' block, key blocks
  bool first, last;  // of these queries
};
struct Softmax {  // of 32 queries: largest score so far, in powers of two, and sum of the weights against it
  F16 top[2], total[2];
};

// Workspace of a task; weights and scores twice, for two passes are in hand.
struct ForwardRoom {
  bf16 *rows, *panel, *weights[2];  // [D/32][1024]; [kQueryBlocks][D/32][1024]; [kKeyBlocks][1024]
  float *sums, *score[2];           // [kQueryBlocks][D/32][1024]; [kKeyBlocks][1024]
  ForwardRoom(char* own, long D) {
    const long head = D / 32 * kStep, pass = kKeyBlocks * kStep;
    rows = (bf16*)own, panel = rows + head, weights[0] = panel + kQueryBlocks * head, weights[1] = weights[0] + pass;
    sums = (float*)(weights[1] + pass), score[0] = sums + kQueryBlocks * head, score[1] = score[0] + pass;
  }
};
static size_t forward_own(long D) {
  const long head = D / 32 * kStep, pass = kKeyBlocks * kStep;
  return (head + kQueryBlocks * head + 2 * pass) * 2 + (kQueryBlocks * head + 2 * pass) * 4;
}

// Largest score of each query. Returns whether any has risen by more than 2^8, and then the factors by which former sums shrink: until then weights
// up to 2^8 are as good as any, and nothing needs scaling.
static bool raise(Softmax& s, const float* score, long count, float factor, F16* shrink) {
  bool risen = false;
  for (int h = 0; h < 2; h++) {
    const F16 low = set1(kHidden);
    F16 a = low, b = low, c = low, d = low;
    for (long k = 0; k < count * 2; k++) {
      const float* x = score + k * 512 + h * 256;
#pragma GCC unroll 4
      for (int r = 0; r < 16; r += 4)
        a = max(a, load(x + r * 16)), b = max(b, load(x + r * 16 + 16)), c = max(c, load(x + r * 16 + 32)),
        d = max(d, load(x + r * 16 + 48));
    }
    const F16 top = max(s.top[h], max(max(a, b), max(c, d)) * set1(factor));
    shrink[h] = set1(1.f);
    if (any_above(top, s.top[h] + set1(8.f))) {
      shrink[h] = exp2<6>(s.top[h] - top);
      s.total[h] = s.total[h] * shrink[h], s.top[h] = top, risen = true;
    }
  }
  return risen;
}

// Scores to weights, as right operands; the program's tile work goes on meanwhile.
static void weigh(Softmax& s, const float* score, long count, float factor, bf16* weights, Program& program) {
  Spread spread(program, count * 16);
  const F16 by = set1(factor);
  for (int h = 0; h < 2; h++) {
    F16 a = s.total[h], b = zero();
    const F16 down = zero() - s.top[h];
    for (long k = 0; k < count * 2; k++) {
      const float* x = score + k * 512 + h * 256;
      bf16* to = weights + (k >> 1) * kStep + h * 512 + (k & 1) * 256;
      for (int p = 0; p < 8; p += 2) {
#pragma GCC unroll 2
        for (int e = p; e < p + 2; e++) {
          const F16 u = exp2<3>(fma(load(x + e * 32), by, down)), v = exp2<3>(fma(load(x + e * 32 + 16), by, down));
          a = a + u, b = b + v;
          put_line(to + e * 32, pairs(u, v));
        }
        spread.next();
      }
    }
    s.total[h] = a + b;
  }
}

static void shrink_sums(float* sums, long D, const F16* by) {
  for (long i = 0; i < D; i++)
    for (int h = 0; h < 2; h++) {
      float* x = sums + i / 32 * kStep + place<true>(i % 32, h);
      store(x, load(x) * by[h]);
    }
}

// Sums O^T of 32 queries over their weights, to their rows; `rows`: two blocks.
static void write_out(const Job& j, const Task& t, long q, const float* sums, const Softmax& s, bf16* rows) {
  const long first = t.first + q * 32, columns = j.shape.heads * j.shape.D;
  const F16 inverse[2] = {set1(1.f) / s.total[0], set1(1.f) / s.total[1]};
  bf16* turned = rows + kStep;
  for (long d = 0; d < j.shape.D / 32; d++) {
    const float* x = sums + d * kStep;
    for (int r = 0; r < 32; r++)
      put_line(rows + r * 32, narrow(load(x + place<true>(r, 0)) * inverse[0], load(x + place<true>(r, 1)) * inverse[1]));
    transpose_block(rows, turned);
    for (long r = 0; r < 32 && first + r < t.last; r++)
      put_line((bf16*)j.out + rows_index(first + r, t.head * j.shape.D + d * 32, columns), line(turned + r * 32));
  }
  if (!j.lse) return;
  float top[32], total[32];
  for (int h = 0; h < 2; h++) store(top + h * 16, s.top[h]), store(total + h * 16, s.total[h]);
  for (long r = 0; r < 32 && first + r < t.last; r++) j.lse[t.head * j.tokens + first + r] = (top[r] + log2f(total[r])) * kLn2;
}

// The pass after p: the next queries that see keys of the same chunk, or the first of the next chunk. q is t.to at the end.
static Pass after(const Job& j, const Task& t, const Pass& p) {
  const long blocks = task_blocks(t);
  long chunk = p.from / kKeyBlocks * kKeyBlocks, q = p.q + 1;
  for (;; q++) {
    if (q == t.to) q = t.from, chunk += kKeyBlocks;
    if (chunk >= keys_of(j.shape, Range{t.from, t.to}, blocks).to) return {t.to, 0, 0, false, false};
    const Keys seen = keys_of(j, t, q);
    const Range k = within(seen, {chunk, chunk + kKeyBlocks});
    if (k.from < k.to) return {q, k.from, k.to, k.from == seen.run[0].from, k.to == seen.run[1].to};
  }
}

static void forward(const Job& j, const Task& t, char* own) {
  const Tiles tiles;
  const long D = j.shape.D, db = D / 32, g = t.head / (j.shape.heads / j.shape.kv_heads), at = (g * j.blocks + t.base) * db * kStep;
  const bf16 *keys = (const bf16*)j.packed[0] + at, *values = (const bf16*)j.packed[1] + at;
  const ForwardRoom room(own, D);
  Softmax state[kQueryBlocks];
  for (long q = t.from; q < t.to; q++) {
    gather<bf16>(j, j.qkv, j.columns, t.head * D, t, q, true, room.rows);
    for (long d = 0; d < db; d++) panel_of_columns(room.rows + d * kStep, room.panel + ((q - t.from) * db + d) * kStep);
    const F16 start = set1(kStart * j.factor);
    state[q - t.from] = {{start, start}, {zero(), zero()}};
  }
  Program program;
  const auto add_scores = [&](const Pass& p, long parity) {
    for (long k = p.from; k < p.to; k++)
      program.add(room.score[parity] + (k - p.from) * kStep, true, keys + k * db * kStep, kStep, room.panel + (p.q - t.from) * db * kStep,
                  kStep, db);
  };
  const auto add_values = [&](const Pass& p, long parity) {
    for (long d = 0; d < db; d++)
      program.add(room.sums + ((p.q - t.from) * db + d) * kStep, p.first, values + (p.from * db + d) * kStep, db * kStep,
                  room.weights[parity], kStep, p.to - p.from);
  };
  const auto write = [&](const Pass& p) { write_out(j, t, p.q, room.sums + (p.q - t.from) * db * kStep, state[p.q - t.from], room.rows); };
  Pass last{}, now = after(j, t, {t.from - 1, keys_of(j.shape, Range{t.from, t.to}, task_blocks(t)).from, 0, false, false});
  long parity = 0;
  add_scores(now, 0);
  written();
  program.finish();
  for (; now.q < t.to; parity ^= 1) {
    const Pass next = after(j, t, now);
    program.clear();
    if (last.to) add_values(last, parity ^ 1);
    if (next.q < t.to) add_scores(next, parity ^ 1);
    written();
    float* score = room.score[parity];
    for (long k = now.from; k < now.to; k++) {
      if (j.shape.softcap) cap(j, score + (k - now.from) * kStep);
      if (is_partial(j, t, now.q, k)) mask<true>(j, t, score + (k - now.from) * kStep, now.q, k, kHidden);
    }
    F16 shrink[2];
    Softmax& s = state[now.q - t.from];
    const bool risen = raise(s, score, now.to - now.from, j.factor, shrink);
    weigh(s, score, now.to - now.from, j.factor, room.weights[parity], program);
    program.finish();
    if (last.last) write(last);
    if (risen && !now.first) shrink_sums(room.sums + (now.q - t.from) * db * kStep, D, shrink);
    last = now, now = next;
  }
  program.clear();
  add_values(last, parity ^ 1);
  written();
  program.finish();
  write(last);
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
