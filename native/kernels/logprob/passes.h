// The two ways through logprob: `reference` in plain double loops, and passes over blocks of rows and parts of the vocabulary for a table of variants.
#pragma once
#include "kernels/logprob/logprob.h"
#include "kernels/logprob/variants.h"
#include <vector>

namespace attune::logprob {

void forward_reference(Team& team, const Forward& f);
void backward_reference(Team& team, const Backward& b);

size_t forward_pass_bytes(const Forward& f, int threads);
size_t backward_pass_bytes(const Backward& b, int threads);
void forward_passes(const Table& t, Team& team, const Forward& f, char* workspace);
void backward_passes(const Table& t, Team& team, const Backward& b, char* workspace);

}  // namespace attune::logprob
