// How attention is cut: into blocks of 32 tokens counted from the start of each sequence, and into tasks. Pure functions over numbers, shared by
// the scheduling (attention.cpp) and by every variant that works in blocks.
//
//   pack      a stretch of blocks of one key/value head: keys (rotated) and values in the layout of the variant's products
//   forward   kQueryBlocks blocks of queries of one head against all the keys that they see: complete by itself
//   backward  backward_blocks() blocks of queries likewise; the gradient of the queries is complete, those of keys and values are added to sums shared by the group of heads, a chunk of
//             kKeyBlocks blocks at a time and strictly in the order of tasks: a chunk has a turn, which counts the tasks that have added to it.
//             So every sum has one order, whoever does the work, and no memory is spent on partial sums. A task waits only for earlier ones of the
//             list, and tasks are taken in the order of the list: somebody can always go on.
//   finish    a stretch of blocks of one key/value head: gradients of keys (turned back) and values to their rows
#pragma once
#include "kernels/attention/mask.h"
#include <stddef.h>
#include <stdint.h>

namespace attune::attention {

// 128 keys a pass: 16 KiB of fp32 scores for 32 queries stay in L1, and four products share one load and store of the sums.
constexpr long kKeyBlocks = 4;
// 256 queries a task: each key read from L2 or L3 serves so many, their packed forms (at most 1 MiB) still fit L2, and a sequence of 512 tokens
// gives two tasks a head.
constexpr long kQueryBlocks = 8;
// Backward, 512 where the keys, values and their sums of a long sequence do not stay in L2 but the packed queries still do: they are streamed
// half as often (12 % less time at 4096 tokens of head size 128).
static inline long most_task_blocks(long D) { return D <= 128 ? 2 * kQueryBlocks : kQueryBlocks; }
static inline long backward_blocks(long D, long blocks) { return blocks >= 32 ? most_task_blocks(D) : kQueryBlocks; }
// Blocks of one head that are packed or finished by one task: enough work to be worth taking, little enough to share out.
constexpr long kPackBlocks = 8;

// A score that is not seen, before scaling; finite, because infinity minus infinity is no number. A maximum starts at a tenth of it: what is not
// seen then weighs 2^(-huge) = 0, whether or not anything seen came before.
constexpr float kHidden = -1e30f, kStart = -1e29f;

struct Job {
  Shape shape;
  long columns;  // of qkv
  long tokens;   // N
  long blocks;   // over all sequences
  long chunks;   // of kKeyBlocks, over all sequences
  float factor;  // of a score (after its soft cap) to powers of two: scale log2(e), or softcap log2(e)
  const void* qkv;
  void* out;  // forward: written; backward: read
  float* lse;
  const void* dout;
  void* dqkv;
  char* packed[3];                            // [G][blocks][D/32][1024] each, in the variant's own number type and order
  float *dk, *dv;                             // [G][blocks][D/32][1024] sums
  int* turns;                                 // [G][chunks]
  const Seen* seen;                           // (blocks) of each block of queries, null: nothing is hidden, and positions are places
  void (*await)(const int* turn, int value);  // returns when *turn is value
  void (*pass)(int* turn);                    // one more task has added to the chunk
};

struct Task {
  long first, last;  // tokens of the sequence
  long base;         // its first block in the packed arrays
  long chunk;        // its first chunk in turns
  long head;         // query head (forward, backward) or key/value head (pack, finish)
  long from, to;     // blocks of the sequence
};
static inline long task_blocks(const Task& t) { return (t.last - t.first + 31) / 32; }

// Blocks of keys that block q of queries sees, and whether it sees block k.
static inline Keys keys_of(const Job& j, const Task& t, long q) {
  if (j.seen) return j.seen[t.base + q].keys;
  const Range all = keys_of(j.shape, Range{q, q + 1}, task_blocks(t));
  return {{all, {all.to, all.to}}};
}
static inline bool sees(const Job& j, const Task& t, long q, long k) {
  const Keys keys = keys_of(j, t, q);
  return (k >= keys.run[0].from && k < keys.run[0].to) || (k >= keys.run[1].from && k < keys.run[1].to);
}
// The first run of blocks in q.from .. q.to that see block k; empty, at q.to, where none does.
static inline Range seeing(const Job& j, const Task& t, long k, Range q) {
  while (q.from < q.to && !sees(j, t, q.from, k)) q.from++;
  long to = q.from;
  while (to < q.to && sees(j, t, to, k)) to++;
  return {q.from, to};
}

// Tasks that add to chunk c before a given one: heads of the group ascending, then queries ascending. `member`: place of the head in its group.
static inline int turn_of(const Shape& s, long c, long member, long from, long blocks) {
  const Range q = queries_of(s, Range{c * kKeyBlocks, least(blocks, (c + 1) * kKeyBlocks)}, blocks);
  const long step = backward_blocks(s.D, blocks), first = q.from / step, count = (q.to - 1) / step - first + 1;
  return int(member * count + from / step - first);
}

// Does a block of scores need a mask, and bit i of it: query q * 32 + i does not see key `k` of the sequence.
static inline bool is_partial(const Job& j, const Task& t, long q, long k) {
  const Shape& s = j.shape;
  const long n = t.last - t.first;
  if (j.seen) return is_partial(s, j.seen[t.base + q], j.seen[t.base + k], q, k, n);
  return (s.causal && k == q) || (s.window && q * 32 + 31 - k * 32 >= s.window) || k * 32 + 32 > n;
}
static inline uint32_t hidden(const Job& j, const Task& t, long q, long k) {
  const uint32_t bits = hidden(j.shape, q, k, t.last - t.first);
  return j.seen && ~bits ? bits | hidden(j.shape, t.first, t.last, q, k) : bits;
}

// One way of working in blocks.
struct Blocked {
  long packed_bytes;                    // of a number in Job::packed
  int forward_arrays, backward_arrays;  // of Job::packed
  size_t (*forward_own)(long D);        // workspace of a thread
  size_t (*backward_own)(long D);
  void (*pack)(const Job& j, const Task& t, bool backward, char* own);
  void (*forward)(const Job& j, const Task& t, char* own);
  void (*backward)(const Job& j, const Task& t, char* own);
  void (*finish)(const Job& j, const Task& t);
};

}  // namespace attune::attention
