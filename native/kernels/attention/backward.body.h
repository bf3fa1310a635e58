// The backward pass over blocks, in fp32, for one instruction set. Scores transposed as in the forward pass; P^T and dS^T of up to 128 keys x 128
// queries are kept (128 KiB, L2), then three products take them up:  dV += P^T dO,  dK += dS^T Q,  dQ += dS K.
#pragma once
#include "kernels/attention/forward.body.h"

namespace attune::ATTUNE_ISA::attention_body {

// Queries of a tile; a task has two to four of them.
constexpr long kTile = 4;
static_assert(kQueryBlocks % kTile == 0);

// Workspace of a task: its queries and the gradients of their outputs, as right operands of both kinds.
struct Queries {
  float *q_panel, *q_rows, *o_panel, *o_rows;  // [blocks][D/32][1024]: panels [d][query], rows [query][d]
  float* dq;                                   // the same, sums
  float *p, *s;                                // [kKeyBlocks][kTile][1024]: P^T and dS^T
  float* temporary;                            // [D/32][1024]
  float *delta, *stat;                         // [blocks][32]: dO . O, lse in powers of two
  Queries(char* own, long D) {
    const long blocks = most_task_blocks(D), head = blocks * D / 32 * kStep, tile = kKeyBlocks * kTile * kStep;
    q_panel = (float*)own, q_rows = q_panel + head, o_panel = q_rows + head, o_rows = o_panel + head, dq = o_rows + head;
    p = dq + head, s = p + tile, temporary = s + tile, delta = temporary + D / 32 * kStep, stat = delta + blocks * 32;
  }
};
static size_t backward_own(long D) {
  const long blocks = most_task_blocks(D);
  return ((5 * blocks + 1) * D / 32 * kStep + 2 * kKeyBlocks * kTile * kStep + 2 * blocks * 32) * 4;
}

template <class T> static void prepare(const Job& j, const Task& t, long q, const Queries& w) {
  const long D = j.shape.D, db = D / 32, at = (q - t.from) * db * kStep, o_columns = j.shape.heads * D;
  float *delta = w.delta + (q - t.from) * 32, *stat = w.stat + (q - t.from) * 32;
  gather<T>(j, j.qkv, j.columns, t.head * D, t, q, true, w.q_rows + at);
  gather<T>(j, j.dout, o_columns, t.head * D, t, q, false, w.o_rows + at);
  gather<T>(j, j.out, o_columns, t.head * D, t, q, false, w.temporary);
  for (long d = 0; d < db; d++) {
    transpose(w.q_rows + at + d * kStep, w.q_panel + at + d * kStep);
    transpose(w.o_rows + at + d * kStep, w.o_panel + at + d * kStep);
  }
  for (long r = 0; r < 32; r++) {
    F16 s = zero();
    for (long d = 0; d < D; d += 16) {
      const long i = d / 32 * kStep + r * 32 + d % 32;
      s = fma(load(w.o_rows + at + i), load(w.temporary + i), s);
    }
    const long token = t.first + q * 32 + r;
    delta[r] = sum(s);
    stat[r] = token < t.last ? j.lse[t.head * j.tokens + token] * kLog2e : -kHidden;  // no weight past the end
  }
}

// Scores and slopes dO V^T of a block become P^T and dS^T (without the factor `scale`).
template <int degree> static void slopes(const Job& j, float* p, float* s, const float* delta, const float* stat) {
  const F16 factor = set1(j.factor);
  const F16 d[2] = {load(delta), load(delta + 16)}, l[2] = {zero() - load(stat), zero() - load(stat + 16)};
  for (long r = 0; r < 32; r++)
    for (int h = 0; h < 2; h++) {
      const long i = r * 32 + h * 16;
      const F16 x = load(p + i), w = exp2<degree>(fma(x, factor, l[h]));
      F16 slope = w * (load(s + i) - d[h]);
      if (j.shape.softcap)
        slope = fnma(slope * x, x, slope);  // x is tanh here; where it is hidden, the weight is zero, and so the slope below
      store(p + i, w), store(s + i, slope);
    }
}

template <class T>
static void tile(const Job& j, const Task& t, Range k, Range q, const float* keys, const float* values, const Queries& w) {
  const long db = j.shape.D / 32;
  for (long b = q.from; b < q.to; b++)
    for (long c = k.from; c < k.to; c++) {
      if (!sees(j, t, b, c)) continue;
      const long place = ((c - k.from) * kTile + b - q.from) * kStep, at = (b - t.from) * db * kStep;
      product<false>(w.p + place, true, keys + c * db * kStep, kStep, w.q_panel + at, kStep, db);
      product<false>(w.s + place, true, values + c * db * kStep, kStep, w.o_panel + at, kStep, db);
      if (j.shape.softcap) cap(j, w.p + place);
      slopes<ExpDegree<T>::value>(j, w.p + place, w.s + place, w.delta + (b - t.from) * 32, w.stat + (b - t.from) * 32);
      if (is_partial(j, t, b, c)) mask<false>(j, t, w.p + place, b, c, 0), mask<false>(j, t, w.s + place, b, c, 0);
    }
}

// Adds a tile to dK and dV of its keys (or sets them, where it is the first) …
static void add_keys(const Job& j, const Task& t, Range k, Range q, bool fresh, float* dk, float* dv, const Queries& w) {
  const long db = j.shape.D / 32;
  for (long c = k.from; c < k.to; c++) {
    Range run = seeing(j, t, c, q);
    for (bool first = fresh; first || run.from < run.to; first = false, run = seeing(j, t, c, {run.to, q.to})) {
      const long place = ((c - k.from) * kTile + run.from - q.from) * kStep, at = (run.from - t.from) * db * kStep,
                 count = run.to - run.from;
      for (long d = 0; d < db; d++) {
        product<false>(dv + (c * db + d) * kStep, first, w.p + place, kStep, w.o_rows + at + d * kStep, db * kStep, count);
        product<false>(dk + (c * db + d) * kStep, first, w.s + place, kStep, w.q_rows + at + d * kStep, db * kStep, count);
      }
    }
  }
}
// … and to dQ.
static void add_queries(const Job& j, const Task& t, Range k, Range q, const float* keys, const Queries& w) {
  const long db = j.shape.D / 32;
  for (long b = q.from; b < q.to; b++) {
    const Keys seen = keys_of(j, t, b);
    for (const Range& run : seen.run) {
      const long from = most(k.from, run.from), count = least(k.to, run.to) - from;
      if (count <= 0) continue;
      const float* s = w.s + ((from - k.from) * kTile + b - q.from) * kStep;
      for (long d = 0; d < db; d++)
        product<true>(w.dq + ((b - t.from) * db + d) * kStep, from == seen.run[0].from, s, kTile * kStep, keys + (from * db + d) * kStep,
                      db * kStep, count);
    }
  }
}

template <class T> static void backward(const Job& j, const Task& t, char* own) {
  const long D = j.shape.D, db = D / 32, n = task_blocks(t), per = j.shape.heads / j.shape.kv_heads, g = t.head / per;
  const long at = (g * j.blocks + t.base) * db * kStep;
  const float *keys = (const float*)j.packed[0] + at, *values = (const float*)j.packed[1] + at;
  const Queries w(own, D);
  for (long q = t.from; q < t.to; q++) prepare<T>(j, t, q, w);
  const Range seen = keys_of(j.shape, Range{t.from, t.to}, n);
  for (long c = seen.from / kKeyBlocks; c * kKeyBlocks < seen.to; c++) {
    const Range k{c * kKeyBlocks, least(n, (c + 1) * kKeyBlocks)}, seeing = queries_of(j.shape, k, n);
    int* turn = j.turns + g * j.chunks + t.chunk + c;
    const int order = turn_of(j.shape, c, t.head % per, t.from, n);
    bool fresh = order == 0, waited = false;
    for (long q = t.from; q < t.to; q += kTile) {
      const Range part{q, least(t.to, q + kTile)};
      if (part.to <= seeing.from || part.from >= seeing.to) continue;
      tile<T>(j, t, k, part, keys, values, w);
      add_queries(j, t, k, part, keys, w);
      if (!waited) j.await(turn, order), waited = true;
      add_keys(j, t, k, part, fresh, j.dk + at, j.dv + at, w);
      fresh = false;
    }
    if (!waited) j.await(turn, order);
    j.pass(turn);
  }
  for (long q = t.from; q < t.to; q++) scatter<T, false>(j, w.dq + (q - t.from) * db * kStep, j.shape.scale, t.head * D, t, q, true);
}

template <class T> static void finish(const Job& j, const Task& t) {
  const long D = j.shape.D, at = (t.head * j.blocks + t.base) * D / 32 * kStep;
  for (long b = t.from; b < t.to; b++) {
    scatter<T, false>(j, j.dk + at + b * D / 32 * kStep, j.shape.scale, (j.shape.heads + t.head) * D, t, b, true);
    scatter<T, false>(j, j.dv + at + b * D / 32 * kStep, 1, (j.shape.heads + j.shape.kv_heads + t.head) * D, t, b, false);
  }
}

template <class T> static const Blocked& table() {
  static const Blocked all{4, 2, 2, forward_own, backward_own, pack<T>, forward<T>, backward<T>, finish<T>};
  return all;
}
static const Blocked& blocked(DType t) { return t == DType::f32 ? table<float>() : table<bf16>(); }

}  // namespace attune::ATTUNE_ISA::attention_body
