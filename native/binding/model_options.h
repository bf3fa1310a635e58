// Options of a model, read and checked from JavaScript.
#pragma once
#include "binding/arguments.h"
#include "transformer/config.h"

namespace attune::binding {

Config read_config(const Napi::Value& value);
Options read_options(const Arguments& a);
std::vector<StoredTensor> read_tensors(const Arguments& a);

}  // namespace attune::binding
