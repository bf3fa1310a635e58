// The two ways through logprob: `reference` in plain double loops, and passes over blocks of rows and parts of the vocabulary for a table of variants.
#pragma once
#include "kernels/logprob/candidates.h"
#include "kernels/logprob/variants.h"
#include <vector>

namespace attune::logprob {

// Of the calling thread's instruction set; null: the reference.
const Table* table();

void forward_reference(Team& team, const Forward& f);
void backward_reference(Team& team, const Backward& b);
void candidates_reference(Team& team, const Candidates& c);
// The rank-one terms of c.ids to dhidden and, where they are trained, the weights. slope (R, K): d loss / d (the logit before the softcap).
void candidate_terms_reference(Team& team, const Backward& b, const Candidates& c, const float* slope);
// t.logprob: logits, not less lse yet.
void top_reference(Team& team, const Top& t);

size_t forward_pass_bytes(const Forward& f, int threads);
size_t backward_pass_bytes(const Backward& b, int threads);
void forward_passes(const Table& t, Team& team, const Forward& f, char* workspace);
void backward_passes(const Table& t, Team& team, const Backward& b, char* workspace);

}  // namespace attune::logprob
