#include "kernels/layer_norm/layer_norm.h"
#include "binding/kernels.h"
#include "binding/rows.h"

namespace attune::binding {
namespace {

const std::vector<cpu::Isa> variants{cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512};

// x (M, count), weight (count,).
struct Input {
  Floats weight, x;
  layer_norm::Shape shape;
  long M;

  explicit Input(const Arguments& a) : weight(a.floats("weight", -1)), x(a.floats("x", -1)) {
    const long count = long(weight.size());
    if (count < 1) a.fail("weight: expected at least one number");
    if (long(x.size()) % count)
      a.fail("x: expected rows of " + std::to_string(count) + ", got Float32Array of " + std::to_string(x.size()));
    M = long(x.size()) / count;
    shape = {a.dtype(), round32(count), count, float(a.number("eps", 1e-12))};
  }
  Rows rows(const Floats& v) const { return Rows(shape.dtype, v, M, shape.count, shape.columns); }
};

Napi::Object forward(const Arguments& a, Team& team) {
  const Input in(a);
  const Floats bias = a.floats("bias", in.shape.count, true), w = padded(in.weight, in.shape.columns), b = padded(bias, in.shape.columns);
  const Rows x = in.rows(in.x), y(in.shape.dtype, in.M, in.shape.columns);
  Floats mean(in.M), inverse(in.M);
  const layer_norm::Forward f{in.shape, x.data(), w.data(), bias.empty() ? nullptr : b.data(), y.data(), mean.data(), inverse.data()};
  const auto run = [&] { team.rows(in.M, [&](long first, long last, int) { layer_norm::forward(f, first, last); }); };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("y", y.to_js(a.env(), in.shape.count));
  out.Set("mean", to_js(a.env(), mean)), out.Set("inverse", to_js(a.env(), inverse));
  time_repeats(a, out, run);
  return out;
}

Napi::Object backward(const Arguments& a, Team& team) {
  const Input in(a);
  const long n = long(in.x.size());
  const Floats beside = a.floats("through", n, true), mean = a.floats("mean", in.M), inverse = a.floats("inverse", in.M);
  const Floats w = padded(in.weight, in.shape.columns);
  const Rows x = in.rows(in.x), dy = in.rows(a.floats("dy", n)), dx(in.shape.dtype, in.M, in.shape.columns);
  const Rows through = in.rows(beside.empty() ? Floats(n) : beside);
  const layer_norm::Backward b{
      in.shape, x.data(), w.data(), mean.data(), inverse.data(), dy.data(), beside.empty() ? nullptr : through.data(), dx.data()};
  const auto run = [&] { team.rows(in.M, [&](long first, long last, int) { layer_norm::backward(b, first, last); }); };
  run();
  Floats dw(in.shape.columns), db(in.shape.columns);
  team.tasks(in.shape.columns / 32, [&](long t, int) { layer_norm::weight_gradient(b, in.M, dw.data(), db.data(), t * 32, t * 32 + 32); });
  dw.resize(in.shape.count), db.resize(in.shape.count);
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("dx", dx.to_js(a.env(), in.shape.count));
  out.Set("dweight", to_js(a.env(), dw)), out.Set("dbias", to_js(a.env(), db));
  time_repeats(a, out, run);
  return out;
}

}  // namespace

extern const Kernel layer_norm_kernel{"layer_norm", variants, forward};
extern const Kernel layer_norm_backward_kernel{"layer_norm_backward", variants, backward};

}  // namespace attune::binding
