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

struct Table {
  void (*forward_part)(const ForwardPart& p, float* workspace);
  void (*slopes)(const Slopes& s, float* workspace);
  void (*accumulate)(const Sums& s, float* workspace);
  // to += from, n numbers.
  void (*add)(float* to, const float* from, long n);
  // Sums to rows of dtype; rows .. round32(rows) become zero.
  void (*finish)(DType dtype, const float* sums, long H, long rows, void* out);
};
extern const Table avx2_table, avx512_table, amx_table;

}  // namespace attune::logprob
