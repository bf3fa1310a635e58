// The backward pass on tiles, bf16. Transposed as the forward pass:  S^T = K Q^T,  dP^T = V dO^T;  then  dV += P^T dO,  dK += dS^T Q,
// dQ^T += K^T dS^T.  Rows of P^T and dS^T are left operands as they are; dS^T becomes a right operand by one permutation of two rows.
#pragma once
#include "kernels/attention/forward.amx.h"

namespace attune::ATTUNE_ISA::attention_body {

// Queries of a tile, in blocks; a task has two to four of them. 128 x 128: P^T and dS^T twice are 96 KiB, and four products share a load of sums.
constexpr long kTile = 4;
static_assert(kQueryBlocks % kTile == 0);

// Workspace of a task.
struct Queries {
  bf16 *q_panel, *q_pairs, *o_panel, *o_pairs;  // [blocks][D/32][1024]: right operands that contract d, and that contract queries
  bf16 *p_rows, *s_rows, *s_pairs;              // [kKeyBlocks][kTile][1024]
  bf16 *rows, *other;                           // [D/32][1024]
  float* dq;                                    // [blocks][D/32][1024] sums of dQ^T
  float *score, *slope;                         // [1024]
  float *delta, *stat;                          // [blocks][32]: dO . O, lse in powers of two
  Queries(char* own, long D) {
    const long db = D / 32, blocks = most_task_blocks(D), head = blocks * db * kStep, tile = kKeyBlocks * kTile * kStep;
    q_panel = (bf16*)own, q_pairs = q_panel + head, o_panel = q_pairs + head, o_pairs = o_panel + head;
    p_rows = o_pairs + head, s_rows = p_rows + tile, s_pairs = s_rows + tile, rows = s_pairs + tile, other = rows + db * kStep;
    dq = (float*)(other + db * kStep), score = dq + head, slope = score + kStep, delta = slope + kStep, stat = delta + blocks * 32;
  }
};
static size_t backward_own(long D) {
  const long blocks = most_task_blocks(D), head = blocks * D / 32 * kStep;
  return (4 * head + 3 * kKeyBlocks * kTile * kStep + 2 * D / 32 * kStep) * 2 + (head + 2 * kStep + 2 * blocks * 32) * 4;
}

static void prepare(const Job& j, const Task& t, long q, const Queries& w) {
  const long D = j.shape.D, db = D / 32, at = (q - t.from) * db * kStep, columns = j.shape.heads * D;
  float *delta = w.delta + (q - t.from) * 32, *stat = w.stat + (q - t.from) * 32;
  gather<bf16>(j, j.dout, columns, t.head * D, t, q, false, w.rows);
  gather<bf16>(j, j.out, columns, t.head * D, t, q, false, w.other);
  for (long r = 0; r < 32; r++) {
    F16 s = zero();
    for (long d = 0; d < D; d += 16) {
      const long i = d / 32 * kStep + r * 32 + d % 32;
      s = fma(load(w.rows + i), load(w.other + i), s);
    }
    const long token = t.first + q * 32 + r;
    delta[r] = sum(s);
    stat[r] = token < t.last ? j.lse[t.head * j.tokens + token] * kLog2e : -kHidden;  // no weight past the end
  }
  for (long d = 0; d < db; d++)
    panel_of_columns(w.rows + d * kStep, w.o_panel + at + d * kStep), panel_of_rows(w.rows + d * kStep, w.o_pairs + at + d * kStep);
  gather<bf16>(j, j.qkv, j.columns, t.head * D, t, q, true, w.rows);
  for (long d = 0; d < db; d++)
    panel_of_columns(w.rows + d * kStep, w.q_panel + at + d * kStep), panel_of_rows(w.rows + d * kStep, w.q_pairs + at + d * kStep);
}

// Scores and slopes dO V^T of a block become P^T and dS^T (without the factor `scale`).
template <bool partial, bool capped> static void slopes(const Job& j, const Task& t, const Queries& w, long q, long k, long at) {
  const float *stat = w.stat + (q - t.from) * 32, *delta = w.delta + (q - t.from) * 32;
  const F16 factor = set1(j.factor), l[2] = {zero() - load(stat), zero() - load(stat + 16)}, d[2] = {load(delta), load(delta + 16)};
  for (int r = 0; r < 32; r += 2) {
    F16 p[2][2], s[2][2];
    for (int e = 0; e < 2; e++) {
      const uint32_t bits = partial ? hidden(j, t, q, k * 32 + r + e) : 0;
      for (int h = 0; h < 2; h++) {
        const F16 x = load(w.score + place<true>(r + e, h));
        p[e][h] = exp2<3>(fma(x, factor, l[h]));
        s[e][h] = load(w.slope + place<true>(r + e, h)) - d[h];
        if (partial)
          p[e][h] = blend(p[e][h], zero(), bits >> (16 * h) & 0xffff), s[e][h] = blend(s[e][h], zero(), bits >> (16 * h) & 0xffff);
        s[e][h] = p[e][h] * s[e][h];
        if (capped)
          s[e][h] = partial ? blend(fnma(s[e][h] * x, x, s[e][h]), zero(), bits >> (16 * h) & 0xffff) : fnma(s[e][h] * x, x, s[e][h]);
      }
      put_line(w.p_rows + at + (r + e) * 32, narrow(p[e][0], p[e][1]));
      put_line(w.s_rows + at + (r + e) * 32, narrow(s[e][0], s[e][1]));
    }
    put_line(w.s_pairs + at + r * 16, pairs(s[0][0], s[1][0]));
    put_line(w.s_pairs + at + 512 + r * 16, pairs(s[0][1], s[1][1]));
  }
}

static void tile(const Job& j, const Task& t, Range k, Range q, const bf16* keys, const bf16* values, const Queries& w) {
  const long db = j.shape.D / 32;
  for (long b = q.from; b < q.to; b++)
    for (long c = k.from; c < k.to; c++) {
      if (!sees(j, t, b, c)) continue;
      const long place = ((c - k.from) * kTile + b - q.from) * kStep, at = (b - t.from) * db * kStep;
      tiles_zero();
      for (long d = 0; d < db; d++) tiles_step(keys + (c * db + d) * kStep, w.q_panel + at + d * kStep);
      tiles_store(w.score);
      tiles_zero();
      for (long d = 0; d < db; d++) tiles_step(values + (c * db + d) * kStep, w.o_panel + at + d * kStep);
      tiles_store(w.slope);
      const bool partial = is_partial(j, t, b, c);
      if (j.shape.softcap)
        cap(j, w.score), partial ? slopes<true, true>(j, t, w, b, c, place) : slopes<false, true>(j, t, w, b, c, place);
      else
        partial ? slopes<true, false>(j, t, w, b, c, place) : slopes<false, false>(j, t, w, b, c, place);
    }
  written();
}

// Adds a tile to dK and dV of its keys (or sets them, where it is the first) …
static void add_keys(const Job& j, const Task& t, Range k, Range q, bool fresh, float* dk, float* dv, const Queries& w) {
  const long db = j.shape.D / 32;
  const auto add = [&](float* to, bool first, const bf16* left, const bf16* right, long count) {
    if (first)
      tiles_zero();
    else
      tiles_load(to);
    for (long i = 0; i < count; i++) tiles_step(left + i * kStep, right + i * db * kStep);
    tiles_store(to);
  };
  Range runs[kKeyBlocks][2];  // of four blocks of queries: no more
  for (long c = k.from; c < k.to; c++) {
    Range* run = runs[c - k.from];
    run[0] = seeing(j, t, c, q), run[1] = seeing(j, t, c, {run[0].to, q.to});
  }
  // Keys innermost: the right operands, 8 KiB for four blocks of queries, stay in L1 for all of them.
  const auto sweep = [&](float* to, const bf16* left, const bf16* right) {
    for (long d = 0; d < db; d++)
      for (long c = k.from; c < k.to; c++)
        for (int i = 0; i < 2; i++) {
          const Range run = runs[c - k.from][i];
          const bool first = fresh && i == 0;
          if (first || run.from < run.to)
            add(to + (c * db + d) * kStep, first, left + ((c - k.from) * kTile + run.from - q.from) * kStep,
                right + ((run.from - t.from) * db + d) * kStep, run.to - run.from);
        }
  };
  sweep(dv, w.p_rows, w.o_pairs);
  sweep(dk, w.s_rows, w.q_pairs);
}
// … and to dQ^T.
static void add_queries(const Job& j, const Task& t, Range k, Range q, const bf16* keys_turned, const Queries& w) {
  const long db = j.shape.D / 32;
  const auto add = [&](float* sums, bool first, long d, long b, Range run) {
    if (first)
      tiles_zero();
    else
      tiles_load(sums);
    for (long c = run.from; c < run.to; c++)
      tiles_step(keys_turned + (c * db + d) * kStep, w.s_pairs + ((c - k.from) * kTile + b - q.from) * kStep);
    tiles_store(sums);
  };
  for (long b = q.from; b < q.to; b++) {
    const Keys seen = keys_of(j, t, b);
    for (const Range& all : seen.run) {
      const Range run{most(k.from, all.from), least(k.to, all.to)};
      for (long d = 0; d < db && run.from < run.to; d++)
        add(w.dq + ((b - t.from) * db + d) * kStep, run.from == seen.run[0].from, d, b, run);
    }
  }
}

// dQ^T of 32 queries to rows of dQ; scratch: D/32 blocks and one of fp32.
static void write_queries(const Job& j, const Task& t, long q, const float* sums, float* scratch) {
  const long D = j.shape.D;
  float* block = scratch + D / 32 * kStep;
  for (long d = 0; d < D / 32; d++) {
    for (int r = 0; r < 32; r++)
      for (int h = 0; h < 2; h++) store(block + place<false>(r, h), load(sums + d * kStep + place<true>(r, h)));
    transpose(block, scratch + d * kStep);
  }
  scatter<bf16, false>(j, scratch, j.shape.scale, t.head * D, t, q, true);
}

static void backward(const Job& j, const Task& t, char* own) {
  const Tiles tiles;
  const long D = j.shape.D, db = D / 32, n = task_blocks(t), per = j.shape.heads / j.shape.kv_heads, g = t.head / per;
  const long at = (g * j.blocks + t.base) * db * kStep;
  const bf16 *keys = (const bf16*)j.packed[0] + at, *values = (const bf16*)j.packed[1] + at, *turned = (const bf16*)j.packed[2] + at;
  const Queries w(own, D);
  for (long q = t.from; q < t.to; q++) prepare(j, t, q, w);
  written();
  const Range seen = keys_of(j.shape, Range{t.from, t.to}, n);
  for (long c = seen.from / kKeyBlocks; c * kKeyBlocks < seen.to; c++) {
    const Range k{c * kKeyBlocks, least(n, (c + 1) * kKeyBlocks)}, seeing = queries_of(j.shape, k, n);
    int* turn = j.turns + g * j.chunks + t.chunk + c;
    const int order = turn_of(j.shape, c, t.head % per, t.from, n);
    bool fresh = order == 0, waited = false;
    for (long q = t.from; q < t.to; q += kTile) {
      const Range part{q, least(t.to, q + kTile)};
      if (part.to <= seeing.from || part.from >= seeing.to) continue;
      tile(j, t, k, part, keys, values, w);
      add_queries(j, t, k, part, turned, w);
      if (!waited) j.await(turn, order), waited = true;
      add_keys(j, t, k, part, fresh, j.dk + at, j.dv + at, w);
      fresh = false;
    }
    if (!waited) j.await(turn, order);
    j.pass(turn);
  }
  // The packed queries are of no more use: their room is scratch now.
  for (long q = t.from; q < t.to; q++) write_queries(j, t, q, w.dq + (q - t.from) * db * kStep, (float*)own);
}

static void finish(const Job& j, const Task& t) {
  const long D = j.shape.D, at = (t.head * j.blocks + t.base) * D / 32 * kStep;
  for (long b = t.from; b < t.to; b++) {
    scatter<bf16, true>(j, j.dk + at + b * D / 32 * kStep, j.shape.scale, (j.shape.heads + t.head) * D, t, b, true);
    scatter<bf16, true>(j, j.dv + at + b * D / 32 * kStep, 1, (j.shape.heads + j.shape.kv_heads + t.head) * D, t, b, false);
  }
}

}  // namespace attune::ATTUNE_ISA::attention_body
