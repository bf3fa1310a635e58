// How much memory a run needs, as a pure function: asked before anything is loaded.
#pragma once
#include "transformer/rollout.h"

namespace attune {

// What is to be done with the model.
struct Workload {
  long tokens = 1;            // in flight
  long rank = 0;              // of an adapter on all linear layers; 0: none
  bool two_packings = false;  // weights that are read both ways are packed twice
  RolloutShape rollout;       // answers that the model writes between its steps; no prompts: none
};

struct MemoryPlan {
  double fixed = 0;        // weights, packings, adapter, optimiser state
  double activations = 0;  // for the tokens in flight, or the prompts of a rollout in one pass
  double cache = 0;        // of a rollout: keys and values in pages, and the logits of answers in flight
};
MemoryPlan plan_memory(const Config& c, const Options& o, const Workload& w);

}  // namespace attune
