// A generation as JavaScript sees it; lib/native.ts has its types.
#pragma once
#include <memory>
#include <napi.h>
#include <string>

namespace attune {
class Model;
}

namespace attune::binding {

Napi::Object create_generation(Napi::Env env, std::shared_ptr<Model> model, long capacity, std::string adapter);

}  // namespace attune::binding
