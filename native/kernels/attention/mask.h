// Which keys a query sees, in blocks of 32 tokens counted from the start of a stretch. Pure functions over numbers.
//
//   query i sees key j:  j <= i (causal),  position i - position j < window,  not hidden_from i <= j < hidden_to i
//
// Blocks of keys that no query of a block sees are never computed: those outside of a range (order, window), and a hole in it (hidden keys). Stretches
// that share a beginning have such holes, the branches beside a query's own, and hence cost what their branches would cost alone, less the beginning.
#pragma once
#include "kernels/attention/arguments.h"
#include <stdint.h>

namespace attune::attention {

struct Range {
  long from, to;  // to excluded
};
static inline long least(long a, long b) { return a < b ? a : b; }
static inline long most(long a, long b) { return a > b ? a : b; }

// Blocks of keys, ascending: two runs around a hole. The second is empty where there is no hole; the first never is, as a query sees itself.
struct Keys {
  Range run[2];
};

// What a block of queries sees, where keys are hidden or positions given. Made once per call (seen.h).
struct Seen {
  Keys keys;
  Range hidden;          // tokens of the stretch that any of the queries hides lie in here; empty: none
  long nearest, latest;  // least and greatest position of the block's tokens
};

// A sequence's block q sees its block k when k <= q (causal) and q <= k + reach: the nearest two tokens of the blocks are 32 (q - k) - 31 apart.
// Where positions are given, a window says nothing about places.
static inline long reach(const Shape& s) { return s.window && !s.positions ? (s.window + 30) / 32 : 1L << 40; }

// Key blocks that query blocks q.from .. q.to may see, of a sequence of `blocks`; query blocks that may see key blocks k.from .. k.to.
static inline Range keys_of(const Shape& s, Range q, long blocks) { return {most(0, q.from - reach(s)), s.causal ? q.to : blocks}; }
static inline Range queries_of(const Shape& s, Range k, long blocks) { return {s.causal ? k.from : 0, least(blocks, k.to + reach(s))}; }

// Blocks of a run of at most `chunk` that are worth one pass: a hole inside of it is computed, and masked.
static inline Range within(const Keys& keys, Range chunk) {
  Range all{chunk.to, chunk.from};
  for (const Range& run : keys.run) {
    const Range part{most(run.from, chunk.from), least(run.to, chunk.to)};
    if (part.from < part.to) all = {least(all.from, part.from), most(all.to, part.to)};
  }
  return all;
}

// Does a block of scores need a mask? n: tokens of the sequence.
static inline bool is_partial(const Shape& s, const Seen& queries, const Seen& keys, long q, long k, long n) {
  const bool hides = queries.hidden.from < k * 32 + 32 && queries.hidden.to > k * 32;
  return hides || (s.causal && k >= q) || (s.window && queries.latest - keys.nearest >= s.window) || k * 32 + 32 > n;
}
// Bit i: query q * 32 + i does not see key j, because of order, window (where positions are places) or the sequence's end.
static inline uint32_t hidden(const Shape& s, long q, long j, long n) {
  if (j >= n) return ~0u;
  uint32_t bits = 0;
  const long before = j - q * 32;  // queries before this one do not see key j where attention is causal
  if (s.causal && before > 0) bits = before >= 32 ? ~0u : (1u << before) - 1;
  const long beyond = before + s.window;  // nor do those from this one on, where there is a window
  if (s.window && !s.positions && beyond < 32) bits |= beyond <= 0 ? ~0u : ~0u << beyond;
  return bits;
}
// … or because it hides the key, or is too far from it by positions.
static inline uint32_t hidden(const Shape& s, long first, long last, long q, long j) {
  uint32_t bits = 0;
  const long key = first + j, start = first + q * 32, count = least(32, last - start);
  for (long i = 0; i < count; i++) {
    const bool hides = s.hidden_from[start + i] <= key && key < s.hidden_to[start + i];
    const bool far = s.window && s.positions[start + i] - s.positions[key] >= s.window;
    bits |= uint32_t(hides || far) << i;
  }
  return bits;
}

}  // namespace attune::attention
