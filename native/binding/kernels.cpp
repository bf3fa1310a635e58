#include "binding/kernels.h"
#include "binding/failure.h"
#include "cpu/guard.h"
#include <chrono>
#include <cstdlib>

namespace attune::binding {

// Each in kernels/NAME.cpp of this folder. One a line, by name.
// clang-format off
#define ATTUNE_KERNELS(row) \
  row(activation) \
  row(adamw) \
  row(attention) \
  row(attention_backward) \
  row(attention_decode) \
  row(ceiling) \
  row(cpu_placement) \
  row(cpu_threads) \
  row(dropout) \
  row(embedding) \
  row(embedding_backward) \
  row(gradient_norm) \
  row(guard_probe) \
  row(layer_norm) \
  row(layer_norm_backward) \
  row(logprob) \
  row(logprob_backward) \
  row(logprob_plan) \
  row(lora_matmul) \
  row(matmul) \
  row(matmul_column_sums) \
  row(matmul_contract) \
  row(matmul_plan) \
  row(rms_norm) \
  row(rms_norm_backward) \
  row(rotary) \
  row(rotary_frequencies) \
  row(sample) row(score) \
  row(swiglu) \
  row(swiglu_backward)
// clang-format on

#define ATTUNE_DECLARE(name) extern const Kernel name##_kernel;
ATTUNE_KERNELS(ATTUNE_DECLARE)

// A function, not a global vector: the rows are constants of other files, and their order of construction is not fixed.
static std::vector<const Kernel*> table() {
#define ATTUNE_POINTER(name) &name##_kernel,
  return {ATTUNE_KERNELS(ATTUNE_POINTER)};
}

static cpu::Isa variant_of(const Arguments& options) {
  const int best = int(cpu::available());
  if (!options.has("variant")) return cpu::best();
  std::vector<std::string> names;
  for (int i = 0; i <= best; i++) names.push_back(cpu::name(cpu::Isa(i)));
  return cpu::Isa(options.choice("variant", names, best));
}

// Asked for by tests (vitest.config.ts), as often as a kernel is called: a test may turn it off.
static bool guards_wanted() {
  const char* const asked = getenv("ATTUNE_KERNEL_GUARDS");
  return asked && *asked && *asked != '0';
}

static Napi::Object run(const Kernel& k, const Arguments& a, int threads) {
  Team team(threads);
  return k.run(a, team);
}

static Napi::Value call(const Napi::CallbackInfo& info) {
  const Kernel& k = *static_cast<const Kernel*>(info.Data());
  try {
    const Arguments a(info[0], k.name);
    const Napi::Value given = info.Length() > 1 && !info[1].IsUndefined() ? info[1] : Napi::Value(Napi::Object::New(info.Env()));
    const Arguments options(given, k.name);
    const cpu::Choose choose(variant_of(options));
    const guard::Scope guards(guards_wanted());
    const Napi::Object result = run(k, a, int(options.integer("threads", 1, 1024, 1)));
    guards.check(k.name);
    return result;
  } catch (...) {
    throw to_js_error(info.Env());
  }
}

void time_repeats(const Arguments& a, Napi::Object out, const std::function<void()>& run) {
  if (!a.has("repeat")) return;
  const long n = a.integer("repeat", 1, 1L << 30);
  const auto start = std::chrono::steady_clock::now();
  for (long i = 0; i < n; i++) run();
  out.Set("seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / double(n));
}

Napi::Object kernels_object(Napi::Env env) {
  Napi::Object all = Napi::Object::New(env);
  for (const Kernel* k : table()) {
    Napi::Function f = Napi::Function::New(env, call, k->name, const_cast<Kernel*>(k));
    Napi::Array variants = Napi::Array::New(env);
    for (const cpu::Isa v : k->variants)
      if (v <= cpu::available()) variants.Set(variants.Length(), Napi::String::New(env, cpu::name(v)));
    f.Set("variants", variants);
    all.Set(k->name, f);
  }
  return all;
}

}  // namespace attune::binding
