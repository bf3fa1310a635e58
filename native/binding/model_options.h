// Options of a model, read and checked from JavaScript.
#pragma once
#include "binding/arguments.h"
#include "transformer/generation/rollout.h"

namespace attune::binding {

Network read_network(const Napi::Value& value);
Options read_options(const Arguments& a);
RolloutShape read_rollout_shape(const Napi::Value& value);
std::vector<StoredTensor> read_tensors(const Arguments& a);
// temperature, topK, topP, minP, repetitionPenalty, unit: how a token is drawn.
sample::Options read_sampling(const Arguments& a);
// The name of an adapter among options: a string, `false` for the base alone, the default where absent.
std::string read_adapter(const Arguments& a);

}  // namespace attune::binding
