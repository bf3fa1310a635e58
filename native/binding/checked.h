#pragma once
#include "binding/arguments.h"

namespace attune::binding {

// Runs f, and turns what it throws into a JavaScript error with a code.
template <class F> auto checked(Napi::Env env, F&& f) {
  try {
    return f();
  } catch (...) {
    throw to_js_error(env);
  }
}

}  // namespace attune::binding
