// What blocks are made of, apart from any device: groups of linear layers, norms, and buffers as data. An engine offers pieces (a norm, a linear
// layer, attention …); a block says which of them a layer has and in which order, forward and backward. So every device tells the same story.
//
// The pieces of an engine E, for layer i (or i == layers: the head's own pieces) and buffers by their number in the block's list:
//   rows(f), head_rows(f)              f(run): runs of rows of the batch, or of the rows that a head reads; a run goes through several pieces
//   embed(run, y), embed_back(d)       sum of the embeddings of each token; the gradient of them
//   gather(run, y)                     rows that a head reads, out of the last layer's output
//   norm(run, i, which, x, y)          and norm_back(run, i, which, x, dy, beside, dx): dx = back(dy) + beside
//   norm_gradient(i, which, x, dy)     of its weights, over all rows
//   head_norms(run, i, qkv, y)         of queries and keys, a head each; head_norms_back(i, qkv, dqkv)
//   linear(run, i, group, x, y)        y = x W^T + bias + low-rank term; linear_add(…, x, residual, y)
//   linear_gated(run, i, x, up, y)     y = f(gate) up of the group kUp
//   activate(run, x, y)                y = f(x), and activate_back(run, x, dy, dx)
//   linear_back(run, i, group, dy, beside, dx)   dx = dy W + low-rank term + beside; `none` for dx: what the low-rank gradients need alone
//   linear_gated_back(run, i, dy, up, y)         back through kDown and the activation: up becomes its gradient, y the activation again
//   linear_gradient(i, group, x, dy)   of weights or factors, over all rows; run_gradients() when those of a layer are told
//   attention(i, qkv, y), attention_back(i, qkv, y, dy, dqkv)
//   trains(i, group), trains_below(i)  whether anything of a linear layer, or anything below a layer, is trained
#pragma once

namespace attune {

// Linear layers that share their input.
enum Group : int { kQkv, kO, kUp, kDown, kGroups };
// The head's own.
constexpr int kDense = 0;

enum WhichNorm : int { kNorm1, kNorm2, kQueryNorm, kKeyNorm, kNorms };
// Behind the last layer: the norm of its output, and the one behind the head's dense layer.
constexpr WhichNorm kLastNorm = kNorm1, kHeadNorm = kNorm2;

enum class Width : int { hidden, inner, up, queries, qkv };
enum class Life : int {
  in,          // the input of a layer: the output of the one below
  out,         // its output
  kept,        // of each layer, until its backward pass
  pass,        // of one layer at a time
  head_norms,  // as `pass`, where queries and keys are normed
  back,        // gradients, of one layer at a time
  head,        // rows that a head reads
  head_back,   // their gradients
};
struct Buffer {
  const char* name;
  Width width;
  Life life;
};
constexpr int none = -1;  // in the place of a buffer

}  // namespace attune
