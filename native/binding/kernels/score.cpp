#include "kernels/score/score.h"
#include "binding/kernels.h"
#include "binding/rows.h"

namespace attune::binding {

static Napi::Object run(const Arguments& a, Team&) {
  const Floats weight = a.floats("weight", -1), given = a.floats("x", -1);
  const long H = long(weight.size()), physical = round32(H);
  if (H < 1) a.fail("weight: expected at least one number");
  const long S = long(given.size()) / H;
  if (long(given.size()) % H) a.fail("x: expected rows of " + std::to_string(H) + ", got Float32Array of " + std::to_string(given.size()));
  const Floats g = a.floats("gradient", S, true), w = padded(weight, physical);
  const DType dtype = a.dtype();
  const Rows x(dtype, given, S, H, physical), dx(dtype, S, physical);
  const score::Rows rows{dtype, x.data(), physical, S, w.data()};
  Floats out(S), dw(physical);
  const auto once = [&] { score::forward(rows, out.data()); };
  once();
  Napi::Object result = Napi::Object::New(a.env());
  result.Set("score", to_js(a.env(), out));
  if (!g.empty() || a.has("gradient")) {
    score::backward(rows, g.data(), dx.data(), dw.data());
    dw.resize(H);
    result.Set("dx", dx.to_js(a.env(), H)), result.Set("dweight", to_js(a.env(), dw));
  }
  time_repeats(a, result, once);
  return result;
}
extern const Kernel score_kernel{"score", {cpu::Isa::reference}, run};

}  // namespace attune::binding
