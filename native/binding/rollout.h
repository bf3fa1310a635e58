// A rollout as JavaScript sees it; lib/native/types.ts has its types.
#pragma once
#include "binding/arguments.h"
#include "binding/hosted_model.h"

namespace attune::binding {

Napi::Function rollout_class(Napi::Env env);
Napi::Object create_rollout(const Arguments& options, std::shared_ptr<ModelReference> model);

}  // namespace attune::binding
