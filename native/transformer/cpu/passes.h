// How the rows of a batch are shared and walked.
#pragma once
#include "cpu/threads.h"
#include <algorithm>

namespace attune {

// Tokens per pass: normed rows, activation and panels of a layer share a 2 MiB L2 (256 x (576 + 1536) x 2 B + panels for SmolLM2-135M).
constexpr long kPassRows = 256;

// Each thread its own share of the rows, in passes that fit L2.
template <class F> void passes(Team& team, long N, F&& f) {
  team.rows(N, [&](long first, long last, int thread) {
    for (long m = first; m < last; m += kPassRows) f(m, std::min(last, m + kPassRows), thread);
  });
}

}  // namespace attune
