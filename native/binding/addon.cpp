// The module that Node loads.
#include "binding/generation.h"
#include "binding/kernels.h"
#include "binding/memory.h"
#include "binding/model.h"
#include "binding/rollout.h"
#include "cpu/placement.h"

// What `doctor` says of a team of this size. A wrong ATTUNE_PIN is an error of the call that makes a team, not of loading the addon.
static std::string pinning(int threads) {
  try {
    const attune::cpu::Placement p = attune::cpu::preview(threads);
    return p.cpus.empty() ? "none: " + p.reason : "each thread to a CPU of its own";
  } catch (const attune::Error& e) {
    return std::string("none: ") + e.what();
  }
}

static Napi::Object features(Napi::Env env) {
  using namespace attune;
  Napi::Object f = Napi::Object::New(env);
  f.Set("features", cpu::features());
  f.Set("available", cpu::name(cpu::available()));
  f.Set("chosen", cpu::name(cpu::best()));
  const int threads = cpu::allowed_cpus();
  f.Set("threads", threads);
  f.Set("pinning", pinning(threads));
  return f;
}

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  using namespace attune::binding;
  Environment::make(env);
  Environment& here = Environment::of(env);
  here.model = Napi::Persistent(model_class(env));
  here.generation = Napi::Persistent(generation_class(env)), here.rollout = Napi::Persistent(rollout_class(env));
  exports.Set("version", Napi::String::New(env, ATTUNE_VERSION));
  exports.Set("cpu", features(env));
  exports.Set("kernels", kernels_object(env));
  exports.Set("loadModel", Napi::Function::New(env, load_model, "loadModel"));
  exports.Set("planMemory", Napi::Function::New(env, plan_memory, "planMemory"));
  exports.Set("availableMemory", Napi::Function::New(env, free_memory, "availableMemory"));
  exports.Set("residentMemory", Napi::Function::New(env, resident_memory, "residentMemory"));
  return exports;
}

NODE_API_MODULE(attune, initialize)
