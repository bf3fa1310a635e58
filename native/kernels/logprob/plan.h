// How logprob is cut: pure functions from shapes and cache sizes to block sizes.
#pragma once
#include "kernels/matmul/matmul.h"

namespace attune::logprob {

// Vocabulary rows of a part. Sums run within a part and are folded over parts in order, whoever computes them: that lets few rows be shared out by
// parts. A fold costs a part 1 % of its time (one pass over the sums for 8,192 columns of products); six parts of 49,152 still share out evenly.
constexpr long kPart = 8192;

// Rows of a pass that trains the weights, whatever the caches: where it is cut is part of the result. Whole chunks of contract(), of 256 or 512 tokens.
constexpr long kWeightRows = 512;

// At most this many rows are shared out by parts instead of rows: each part then holds an fp32 gradient of all of them.
constexpr long kFewRows = 128;

struct Cut {
  long rows;              // forward: rows per pass over a part's panels
  matmul::Plan logits;    // of hidden x panels
  long gradient_rows;     // backward: rows per pass
  long chunk;             // vocabulary columns whose slopes wait between the two products of a pass
  matmul::Plan gradient;  // of slopes x weights
};
Cut cut(DType dtype, cpu::Isa isa, long H, long l1_bytes, long l2_bytes);
Cut cut(DType dtype, long H);  // for cpu::chosen() and this machine

// Rows of each block where `R` rows are cut into blocks of at most `most`: about even, and a block for every thread as long as it has 64 rows (below
// that, bringing the weights costs more than multiplying by them).
long even_rows(long R, long most, int threads);
// Rows whose K likeliest are sought in one pass over the weights: what they keep stays in half of L2, and every thread has a block, however few the rows.
long top_rows(long R, long K, long most, int threads, long l2_bytes);
// Whether a backward pass is shared out by parts.
bool by_parts(long R, long parts, int threads);

// Floats of scratch that product() needs under a plan.
size_t product_floats(const matmul::Plan& p);

}  // namespace attune::logprob
