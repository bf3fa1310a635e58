// attention: softmax(scale Q K^T + mask) V over ragged sequences, grouped key/value heads, without ever holding a score matrix.
//
//   S (i, j) = scale q_i . k_j ;  with softcap c: c tanh(S / c) ;  visible: j <= i (causal), i - j < window (mask.h: or hidden, or by positions)
//   O_i = sum_j softmax(S_i)_j v_j          lse_i = log sum_j exp(S_ij)
//   backward: delta_i = dO_i . O_i ; P = exp(S - lse) ; dV += P^T dO ; dS = P (dO V^T - delta) (1 - tanh^2) ; dQ = scale dS K ; dK = scale dS^T Q
//
// N tokens end to end, sequenceStarts (S+1) mark the sequences. Query head h reads key/value head h / (heads / kv_heads).
// qkv (N, (H + 2 G) D) rows layout: q heads, then k heads, then v heads; D is physical (a multiple of 64, see head_place). Rotary embedding is applied
// to q and k while they are packed, and undone while their gradients are written, when cos and sin are given.
// Key blocks are counted from the start of each sequence, so a sequence's numbers do not depend on what else is in the batch.
// Order of summation: keys ascending per query; queries ascending per key; query heads of a group ascending. Same bits for any number of threads.
// Memory: forward_bytes and backward_bytes, nothing else is allocated but lists of tasks.
// Reference: Dao et al. 2022 (FlashAttention), Milakov and Gimelshein 2018 (online softmax).
#pragma once
#include "base/layout.h"
#include "cpu/memory.h"
#include "cpu/threads.h"
#include "kernels/attention/arguments.h"

namespace attune::attention {

// Workspace of the variant that the calling thread has chosen (cpu::chosen()); 64-byte aligned.
size_t forward_bytes(const Shape& s, int threads);
size_t backward_bytes(const Shape& s, int threads);
void forward(Team& team, const Forward& f, char* workspace);
void backward(Team& team, const Backward& b, char* workspace);

// Generation.
// Writes the k and v of rows 0 .. rows of qkv to slots (slot = page * 32 + place in page), rotating k. cos, sin (rows, D/2) or null.
void append(Team& team, const Cache& cache, const void* qkv, long heads, const float* cos, const float* sin, const int* slots, long rows);
// One query row per sequence: row b sees the tokens length[b] - 1 and before of pages[b * max_pages …] (its own included), within `window`.
// Rows with the same pages and rising lengths feed several tokens to one sequence. A row of length 0 gives zero.
void decode(Team& team, const Decode& d);

}  // namespace attune::attention
