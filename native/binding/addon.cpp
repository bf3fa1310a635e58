// The module that Node loads.
#include "binding/kernels.h"
#include "binding/memory.h"
#include "binding/model.h"

static Napi::Object features(Napi::Env env) {
  using namespace attune;
  Napi::Object f = Napi::Object::New(env);
  f.Set("features", cpu::features());
  f.Set("available", cpu::name(cpu::available()));
  f.Set("chosen", cpu::name(cpu::best()));
  f.Set("threads", cpu::allowed_cpus());
  return f;
}

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, ATTUNE_VERSION));
  exports.Set("cpu", features(env));
  exports.Set("kernels", attune::binding::kernels_object(env));
  exports.Set("loadModel", Napi::Function::New(env, attune::binding::load_model, "loadModel"));
  exports.Set("planMemory", Napi::Function::New(env, attune::binding::plan_memory, "planMemory"));
  exports.Set("residentMemory", Napi::Function::New(env, attune::binding::resident_memory, "residentMemory"));
  return exports;
}

NODE_API_MODULE(attune, initialize)
