// For the test of the guards themselves (cpu/guard.h): no kernel, but what a kernel with a fault would do.
#include "binding/kernels.h"
#include "cpu/guard.h"
#include "cpu/memory.h"

namespace attune::binding {

// Writes byte `at`, counted from the start of a buffer of `bytes`, which may lie before or behind it by at most 4,096. Without guards that would be
// another's memory: then nothing is written. `held`: the buffer is one that a thread keeps when the call is over.
static Napi::Object run_probe(const Arguments& a, Team& team) {
  const long bytes = a.integer("bytes", 64, 1 << 20), at = a.integer("at", -4096, bytes + 4095);
  const int kind = a.choice("buffer", {"memory", "floats", "held"}, 0);
  static thread_local Memory held;
  Memory block(size_t(bytes) / 64 * 64);
  Floats floats(size_t(bytes) / 4);
  bool guarded = false;
  team.run([&](int thread, int threads) {
    if (thread != threads - 1) return;
    if (kind == 2) held.release(), held.reserve(size_t(bytes) / 64 * 64);
    char* const to[] = {block.as<char>(), reinterpret_cast<char*>(floats.data()), held.as<char>()};
    guarded = guard::is_guarded(to[kind]);
    if (guarded) to[kind][at] ^= 1;
  });
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("guarded", guarded);
  out.Set("misalignment", double(reinterpret_cast<size_t>(floats.data()) % 64));
  return out;
}

extern const Kernel guard_probe_kernel{"guard_probe", {cpu::Isa::reference}, run_probe};

}  // namespace attune::binding
