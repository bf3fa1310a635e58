// The arguments of attention, apart from attention.h because files of an instruction set include them and may include no header of C++.
#pragma once
#include "base/layout.h"

namespace attune::attention {

constexpr long kMostHead = 256;  // largest physical head size: eight blocks of 32 columns

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
  // What beside order and window decides which keys a query sees; all null: nothing. Where one is given, all are.
  const int* positions;    // (N) a token's place in its own sequence, of which a window counts the distance; null: its place in the stretch
  const int* hidden_from;  // (N) a token's query does not see the keys hidden_from .. hidden_to (excluded), counted in tokens of the batch;
  const int* hidden_to;    // (N) they lie in its stretch and leave out the token itself, so that every query sees a key
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

// Keys (rotated) and values of past tokens, in pages of 32 tokens: page p of keys is [G][32][D] in the dtype, values likewise.
struct Cache {
  DType dtype;
  long kv_heads, D;
  void* keys;  // (pages, G, 32, D)
  void* values;
};
// Element index of the D numbers of key/value head g of a slot (page * 32 + place in page).
static inline long cache_index(const Cache& c, long slot, long g) { return ((slot / 32 * c.kv_heads + g) * 32 + slot % 32) * c.D; }

struct Decode {
  Cache cache;
  long heads;
  const void* qkv;         // (rows, (H + 2 G) D), only q is read
  const float *cos, *sin;  // (rows, D/2), null: no rotation
  const int* pages;        // (rows, max_pages)
  long max_pages;
  const int* lengths;  // (rows,)
  long rows;
  long window;  // 0: all
  float scale, softcap;
  void* out;  // (rows, H D); rows .. round32 set to zero
};

}  // namespace attune::attention
