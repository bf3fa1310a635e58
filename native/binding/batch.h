// A batch of sequences as JavaScript hands it over, every length and index checked.
#pragma once
#include "binding/arguments.h"
#include "transformer/engine.h"

namespace attune::binding {

// `a`: a ForwardBatch of lib/native/types.ts. Throws `model_arguments` with the name of what is wrong.
Batch read_batch(const Arguments& a, const Network& c);

}  // namespace attune::binding
