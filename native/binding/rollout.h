// A rollout as JavaScript sees it; lib/native.ts has its types.
#pragma once
#include "binding/arguments.h"
#include <memory>

namespace attune {
class Model;
}

namespace attune::binding {

Napi::Object create_rollout(const Arguments& options, std::shared_ptr<Model> model);

}  // namespace attune::binding
