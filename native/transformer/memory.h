// How much memory a run needs, as a pure function: asked before anything is loaded.
#pragma once
#include "transformer/config.h"

namespace attune {

struct MemoryPlan {
  double fixed = 0;        // weights, packings, adapter, optimiser state
  double activations = 0;  // for `tokens` in flight
};
// targets: adapted linear layers of all seven have this rank; 0: no adapter.
MemoryPlan plan_memory(const Config& c, const Options& o, long tokens, long rank, bool two_packings);

}  // namespace attune
