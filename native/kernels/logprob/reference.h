// The oracle of logprob, and what runs where there are no vectors.
#pragma once
#include "kernels/logprob/logprob.h"
#include <vector>

namespace attune::logprob {
void forward_reference(Team& team, const Forward& f);
void backward_reference(Team& team, const Backward& b);
}  // namespace attune::logprob
