#include "binding/failure.h"
#include "base/error.h"
#include <new>
#include <stdexcept>
#include <system_error>

namespace attune::binding {

Failure failure() {
  try {
    throw;
  } catch (const Error& e) {
    return {e.code, e.what()};
  } catch (const std::bad_alloc&) {
    return {"out_of_memory", "out of memory"};
  } catch (const std::length_error&) {  // a vector that no address space could hold
    return {"out_of_memory", "out of memory: an array would be larger than there can be"};
  } catch (const std::system_error& e) {
    return {"system_failure", std::string("the system refused: ") + e.what()};
  } catch (const std::exception& e) {
    return {"native_failure", e.what()};
  } catch (...) {
    return {};
  }
}

Napi::Error to_js_error(Napi::Env env, const Failure& f) {
  Napi::Error error = Napi::Error::New(env, f.message);
  error.Value().Set("code", f.code);
  return error;
}

Napi::Error to_js_error(Napi::Env env) {
  try {
    throw;
  } catch (const Napi::Error& e) {
    return e;
  } catch (...) {
    return to_js_error(env, failure());
  }
}

}  // namespace attune::binding
