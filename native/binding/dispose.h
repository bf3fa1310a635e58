#pragma once
#include <napi.h>

namespace attune::binding {

// The name under which `using` looks for the end of an object's life; an own one where this JavaScript has none.
inline Napi::Symbol dispose_symbol(Napi::Env env) {
  const Napi::Value known = env.Global().Get("Symbol").As<Napi::Object>().Get("dispose");
  return known.IsSymbol() ? known.As<Napi::Symbol>() : Napi::Symbol::New(env, "Symbol.dispose");
}

}  // namespace attune::binding
