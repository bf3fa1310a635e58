// Memory that a run will need, and that the process has taken.
#pragma once
#include <napi.h>

namespace attune::binding {

// planMemory({ config, dtype, threads, train, recomputeActivations, tokens, rank, rollout }) -> { fixed, activations, cache }
Napi::Value plan_memory(const Napi::CallbackInfo& info);
// availableMemory(root?) -> bytes that the process may still take; `root` stands before /proc and /sys
Napi::Value free_memory(const Napi::CallbackInfo& info);
// residentMemory() -> { now, peak } in bytes
Napi::Value resident_memory(const Napi::CallbackInfo& info);

}  // namespace attune::binding
