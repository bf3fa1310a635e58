// What an instruction set does of logprob, in plain pointers: two products with an epilogue each, and what becomes of the sums.
#pragma once
#include "kernels/matmul/product.h"

namespace attune::logprob {

// Logits of a block of rows for some vocabulary columns.
struct Logits {
  DType dtype;
  const void* hidden;  // the block's first row; (rows, 32 right.steps) rows layout
  long rows;
  matmul::Panels right;  // panels of those columns
  matmul::Plan plan;
  long first;          // vocabulary id of the first column
  long real;           // columns that are part of the vocabulary
  const int* targets;  // of the rows
  float softcap;
  const float* bias;  // of those columns, null: none
};

// What a part of the vocabulary adds to a row, in units of log2 e: 2^reference sum = sum exp z.
struct Partial {
  float reference;
  float sum;    // of 2^d, d = z log2 e - reference
  float dot;    // of 2^d d
  float level;  // of z
};
// A row's lanes on the way through a part. The reference moves when a logit exceeds it by 2^8: seldom, and with d small 2^d is exact to 1e-7.
struct Lanes {
  float* minus;              // (rows,) - reference
  float* limit;              // (rows,) the logit above which it moves
  float *sum, *dot, *level;  // (rows, 16) each
};
static inline long lanes_floats(long rows) { return rows * (2 + 3 * 16); }

struct ForwardPart {
  Logits logits;
  bool all;  // dot and level too
  Lanes lanes;
  Partial* partial;  // (rows,)
  float* target;     // (rows,) the logit of the target, set by the part that has it
};

// What a row's gradient needs: s = p (a - e (z - lse)) + b, and g more at the target.
struct Row {
  float lse, base;  // base = lse log2 e
  float a, e, b, g;
};
struct Slopes {
  Logits logits;
  bool all;        // e or b are not zero
  const Row* row;  // (rows,)
  void* slope;     // (rows, right.columns) rows layout; padding rows and columns become zero
};
struct Sums {
  DType dtype;
  const void* slope;  // (rows, 32 right.steps)
  long rows;
  matmul::Panels right;  // the weights of those columns, turned
  matmul::Plan plan;
  float* sums;  // (rows, H) in the engine's own order
  bool fresh;
};

// The K likeliest of a block of rows over the whole vocabulary, in the order of candidates.h.
struct Likeliest {
  Logits logits;
  long K;
  int* ids;      // (rows, K)
  float* logit;  // (rows, K)
  float* limit;  // (rows,) scratch: the least logit that is kept
};

// Candidates in the order of their ids: those of id v are entry[start[v]] .. entry[start[v + 1] - 1], rows ascending.
struct Entry {
  int row, at;  // at: its place in (R, K)
};
struct ById {
  DType dtype;
  const void* panels;  // W (N, H) in squares (kernels/matmul/product.h)
  const void* hidden;  // (R, H) rows layout
  long N, H, R;        // physical
  const int* start;    // (N + 1,)
  const Entry* entry;  // (R K)
};

struct Table {
  void (*forward_part)(const ForwardPart& p, float* workspace);
  void (*slopes)(const Slopes& s, float* workspace);
  void (*accumulate)(const Sums& s, float* workspace);
  // to += from, n numbers.
  void (*add)(float* to, const float* from, long n);
  // Sums to rows of dtype; rows .. round32(rows) become zero.
  void (*finish)(DType dtype, const float* sums, long H, long rows, void* out);
  void (*likeliest)(const Likeliest& l, float* workspace);
  // product[at] of ids 32 panel .. 32 panel + 32. row: scratch for H numbers.
  void (*products)(const ById& c, long panel, float* product, float* row);
  // dhidden += slope[at] W[id], columns 32 block .. 32 block + 32. sums: scratch (R, 32).
  void (*add_to_hidden)(const ById& c, const float* slope, long block, void* dhidden, float* sums);
  // dweight[id] += slope[at] hidden[row] of ids 32 panel .. 32 panel + 32.
  void (*add_to_weights)(const ById& c, const float* slope, long panel, float* dweight);
};
extern const Table avx2_table, avx512_table, amx_table;

}  // namespace attune::logprob
