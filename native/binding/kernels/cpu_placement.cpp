// The decisions of cpu/placement.h, for tests: no kernels, and no team of theirs is used.
#include "binding/kernels.h"
#include "cpu/placement.h"

namespace attune::binding {

static Napi::Object run_place(const Arguments& a, Team&) {
  cpu::Wish w;
  w.threads = int(a.integer("threads", 1, 1024));
  w.allowed = plain(a.ints_within("allowed", -1, 0, 1 << 20)), w.taken = plain(a.ints_within("taken", -1, 0, 1 << 20));
  w.quota = a.number("quota", 0), w.unseen = a.flag("unseen", false);
  w.pin = cpu::Pin(a.choice("pin", {"auto", "0", "1"}, 0));
  const cpu::Placement p = cpu::place(w);
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("cpus", to_js(a.env(), p.cpus)), out.Set("reason", p.reason);
  return out;
}

// Threads of a team that is given no number, under the control groups below `root`.
static Napi::Object run_threads(const Arguments& a, Team&) {
  const double quota = cpu::cpu_quota(a.text("root"));
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("quota", quota);
  out.Set("threads", cpu::default_threads(int(a.integer("allowed", 1, 1 << 20)), quota));
  return out;
}

extern const Kernel cpu_placement_kernel{"cpu_placement", {cpu::Isa::reference}, run_place};
extern const Kernel cpu_threads_kernel{"cpu_threads", {cpu::Isa::reference}, run_threads};

}  // namespace attune::binding
