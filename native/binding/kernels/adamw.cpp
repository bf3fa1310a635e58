#include "kernels/adamw/adamw.h"
#include "binding/kernels.h"

namespace attune::binding {

static Napi::Object run(const Arguments& a, Team&) {
  Floats w = a.floats("weights", -1);
  const Floats g = a.floats("gradient", long(w.size()));
  Floats m = a.floats("first", long(w.size())), v = a.floats("second", long(w.size()));
  adamw::Step s{float(a.number("rate")),     float(a.number("beta1", 0.9)), float(a.number("beta2", 0.999)), float(a.number("eps", 1e-8)),
                float(a.number("decay", 0)), float(a.number("scale", 1)),   a.integer("t", 1, 1L << 40)};
  adamw::run(s, w.data(), g.data(), m.data(), v.data(), long(w.size()));
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("weights", to_js(a.env(), w)), out.Set("first", to_js(a.env(), m)), out.Set("second", to_js(a.env(), v));
  return out;
}
extern const Kernel adamw_kernel{"adamw", {cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512}, run};

}  // namespace attune::binding
