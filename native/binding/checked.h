#pragma once
#include "binding/failure.h"

namespace attune::binding {

// Runs f, and turns what it throws into a JavaScript error with a code.
template <class F> auto checked(Napi::Env env, F&& f) {
  try {
    return f();
  } catch (...) {
    throw to_js_error(env);
  }
}

// Runs f, which returns a promise; what it throws rejects one, so that a caller has one place for errors.
template <class F> Napi::Value promised(Napi::Env env, F&& f) {
  try {
    return f();
  } catch (...) {
    const Napi::Error error = to_js_error(env);
    const auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(error.Value());
    return deferred.Promise();
  }
}

}  // namespace attune::binding
