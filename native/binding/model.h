// The model as JavaScript sees it; lib/native.ts has its types.
#pragma once
#include <napi.h>

namespace attune::binding {

// loadModel(options) -> Promise<NativeModel>
Napi::Value load_model(const Napi::CallbackInfo& info);
// planMemory({ config, dtype, threads, train, recomputeActivations, tokens, rank, rollout }) -> { fixed, activations, cache }
Napi::Value plan_memory(const Napi::CallbackInfo& info);
// residentMemory() -> { now, peak } in bytes
Napi::Value resident_memory(const Napi::CallbackInfo& info);

}  // namespace attune::binding
