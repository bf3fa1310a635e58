// Some entries of the distributions that logprob.h makes: of given ids with their gradient, or of the K likeliest. A distillation needs both.
//
//   candidates   logprob_mk = z_m,id(m,k) - lse_m          with its gradient g_mk:  d z_m,id(m,k) += g_mk,  d lse_m -= sum_k g_mk
//   top          the K largest z_mv - lse_m of a row, descending, equal ones by lower id
//
// The derivative of lse is the term g_lse of logprob.h, so that the backward pass is that one with g_lse - sum_k g_mk, then rank-one terms of the ids.
// An id may stand more than once in a row, and may be the target. A row whose lse is not finite gives NaN (top: for ids 0 .. K-1).
// Order of summation: z over H in fp32 in two chains of 16 lanes; rank-one terms after all of logprob's, of a row id then k ascending, of a weight tokens
// then k ascending. (The reference: in double, of a row k ascending.) A row's numbers depend neither on other rows nor on the number of threads.
// Memory: candidates: 2 R K + V numbers for the order of ids; backward R K + R + 32 R T floats more. top: top_bytes; the K best of a row so far lie where
// they are wanted: logits (R, V) never exist.
// Reference: Agarwal et al. 2023, "On-policy distillation of language models", for what it serves.
#pragma once
#include "kernels/logprob/logprob.h"

namespace attune::logprob {

// Most entries of a row that top gives.
constexpr long kTopMost = 4096;

struct Candidates {
  Forward f;       // lse as the forward pass left it
  long K;          // ids a row
  const int* ids;  // (R, K) in 0 .. V-1
  float* logprob;  // (R, K): written forward, read backward where there is a softcap
};
struct Top {
  Forward f;       // lse as the forward pass left it
  long K;          // 1 .. min(V, kTopMost)
  int* ids;        // (R, K)
  float* logprob;  // (R, K)
};

void candidates(Team& team, const Candidates& c);
// In the place of backward(): b.f and c.f are the same; g (R, K).
void candidates_backward(Team& team, const Backward& b, const Candidates& c, const float* g, char* workspace);
size_t top_bytes(const Top& t, int threads);
void top(Team& team, const Top& t, char* workspace);

}  // namespace attune::logprob
