// attention: softmax(scale Q K^T + mask) V over ragged sequences, grouped key/value heads, without ever holding a score matrix.
//
//   S (i, j) = scale q_i . k_j ;  with softcap c: c tanh(S / c) ;  visible: j <= i (causal), i - j < window
//   O_i = sum_j softmax(S_i)_j v_j          lse_i = log sum_j exp(S_ij)
//   backward: delta_i = dO_i . O_i ; P = exp(S - lse) ; dV += P^T dO ; dS = P (dO V^T - delta) (1 - tanh^2) ; dQ = scale dS K ; dK = scale dS^T Q
//
// N tokens end to end, sequenceStarts (S+1) mark the sequences. Query head h reads key/value head h / (heads / kv_heads).
// qkv (N, (H + 2 G) D) rows layout: q heads, then k heads, then v heads; D is physical (a multiple of 64, see head_place). Rotary embedding is applied
// to q and k while they are packed, and undone while their gradients are written, when cos and sin are given.
// Key blocks are counted from the start of each sequence, so a sequence's numbers do not depend on what else is in the batch.
// Order of summation: keys ascending per query; queries ascending per key; query heads of a group ascending. Same bits for any number of threads.
// Reference: Dao et al. 2022 (FlashAttention), Milakov and Gimelshein 2018 (online softmax).
#pragma once
#include "base/layout.h"
#include "cpu/memory.h"
#include "cpu/threads.h"

namespace attune::attention {

// Physical head size of a logical one: both halves (rotary pairs i, i + d/2) start at a multiple of 32. Dimension i of a head sits at head_place(i, d).
static inline long physical_head(long d) { return 2 * round32((d + 1) / 2); }
static inline long head_place(long i, long d) { return i < (d + 1) / 2 ? i : physical_head(d) / 2 + i - (d + 1) / 2; }

struct Shape {
  DType dtype;
  long heads, kv_heads;
  long D;             // physical head size, multiple of 64, at most 256
  const int* starts;  // (S + 1)
  long sequences;
  bool causal;
  long window;       // tokens a query sees, itself included; 0: all
  float scale;       // 1 / sqrt(logical head size)
  float softcap;     // 0: none
  const float* cos;  // (N, D/2) of each token's position, or null: no rotation. Padding holds cos 1, sin 0
  const float* sin;
};

struct Forward {
  Shape shape;
  const void* qkv;  // (N, (H + 2 G) D)
  void* out;        // (N, H D); rows N .. round32(N) are set to zero
  float* lse;       // (H, N) natural log, null: not wanted
};
struct Backward {
  Shape shape;
  const void* qkv;
  const void* out;
  const void* dout;  // (N, H D)
  const float* lse;
  void* dqkv;  // (N, (H + 2 G) D); rows N .. round32(N) are set to zero
};
size_t forward_bytes(const Shape& s, int threads);
size_t backward_bytes(const Shape& s, int threads);
void forward(Team& team, const Forward& f, char* workspace);
void backward(Team& team, const Backward& b, char* workspace);

// Generation. Keys (rotated) and values of past tokens live in pages of 32 tokens: page p of keys is [G][32][D] in the dtype, values likewise.
struct Cache {
  DType dtype;
  long kv_heads, D;
  void* keys;  // (pages, G, 32, D)
  void* values;
};
// Writes the k and v of rows 0 .. rows of qkv to slots (slot = page * 32 + place in page), rotating k.
void append(Team& team, const Cache& cache, const void* qkv, long heads, const float* cos, const float* sin, const int* slots, long rows);
// One query row per sequence: row b sees the tokens length[b] - 1 and before of pages[b * max_pages …] (its own included), within `window`.
struct Decode {
  Cache cache;
  long heads;
  const void* qkv;         // (rows, (H + 2 G) D), only q is read
  const float *cos, *sin;  // (rows, D/2)
  const int* pages;
  long max_pages;
  const int* lengths;
  long rows;
  long window;
  float scale, softcap;
  void* out;  // (rows, H D); rows .. round32 set to zero
};
void decode(Team& team, const Decode& d);

}  // namespace attune::attention
