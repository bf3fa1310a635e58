// What native code throws, as JavaScript gets to know it.
#pragma once
#include <napi.h>
#include <string>

namespace attune::binding {

struct Failure {
  std::string code = "native_failure", message = "unknown failure in native code";
};

// Of the C++ exception in flight: call it inside of a handler.
Failure failure();
Napi::Error to_js_error(Napi::Env env, const Failure& f);
// The same of the exception in flight; an error of JavaScript stays what it is.
Napi::Error to_js_error(Napi::Env env);

}  // namespace attune::binding
