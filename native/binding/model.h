// The model as JavaScript sees it; lib/native.ts has its types.
#pragma once
#include <napi.h>

namespace attune::binding {

Napi::Function model_class(Napi::Env env);
// loadModel(options) -> Promise<NativeModel>
Napi::Value load_model(const Napi::CallbackInfo& info);

}  // namespace attune::binding
