#include "binding/memory.h"
#include "binding/checked.h"
#include "binding/model_options.h"
#include "binding/rollout.h"
#include "cpu/available.h"
#include "transformer/engine.h"
#include <cstdio>
#include <sys/resource.h>
#include <unistd.h>

namespace attune::binding {

Napi::Value plan_memory(const Napi::CallbackInfo& info) {
  return checked(info.Env(), [&]() -> Napi::Value {
    const Arguments a(info[0], "planMemory");
    const Options o = read_options(a);
    Workload w;
    w.tokens = a.integer("tokens", 1, 1L << 30), w.rank = a.integer("rank", 0, 4096);
    if (a.has("rollout")) {
      const RolloutShape s = read_rollout_shape(a.raw("rollout"));
      w.prefill = s.prefill(), w.pages = s.pages(), w.answers = s.active();
    }
    const MemoryPlan p = attune::plan_memory(read_network(a.raw("config")), o, w);
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("fixed", p.fixed), out.Set("activations", p.activations), out.Set("cache", p.cache);
    return out;
  });
}

Napi::Value free_memory(const Napi::CallbackInfo& info) {
  return checked(info.Env(), [&]() -> Napi::Value {
    const std::string root = info[0].IsUndefined() ? "" : argument(info, 0, "root", "availableMemory").text("root");
    return Napi::Number::New(info.Env(), cpu::available_memory(root));
  });
}

Napi::Value resident_memory(const Napi::CallbackInfo& info) {
  double now = 0;
  if (FILE* f = fopen("/proc/self/statm", "r")) {
    long total = 0, resident = 0;
    if (fscanf(f, "%ld %ld", &total, &resident) == 2) now = double(resident) * double(sysconf(_SC_PAGESIZE));
    fclose(f);
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("now", now), out.Set("peak", double(usage.ru_maxrss) * 1024);
  return out;
}

}  // namespace attune::binding
