// The module that Node loads.
#include <napi.h>

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, ATTUNE_VERSION));
  return exports;
}

NODE_API_MODULE(attune, initialize)
