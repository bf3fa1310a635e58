#include "kernels/gradient_norm/gradient_norm.h"
#include "binding/kernels.h"

namespace attune::binding {

static Napi::Object run(const Arguments& a, Team&) {
  const Floats g = a.floats("gradient", -1);
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("sumOfSquares", gradient_norm::sum_of_squares(g.data(), long(g.size())));
  return out;
}
extern const Kernel gradient_norm_kernel{"gradient_norm", {cpu::Isa::reference}, run};

}  // namespace attune::binding
