// A generation as JavaScript sees it; lib/native/types.ts has its types.
#pragma once
#include "binding/hosted_model.h"

namespace attune::binding {

Napi::Function generation_class(Napi::Env env);
Napi::Object create_generation(Napi::Env env, std::shared_ptr<ModelReference> model, long capacity, std::string adapter);

}  // namespace attune::binding
