#include "kernels/rms_norm/rms_norm.h"
#include "binding/kernels.h"
#include "binding/rows.h"

namespace attune::binding {

static const std::vector<cpu::Isa> variants{cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512};

namespace {

// x (M, groups, count), weight (count,); a group starts at a multiple of 32 columns.
struct Input {
  Floats weight, x;
  rms_norm::Shape shape;
  long M, width;
  std::vector<long> at;

  explicit Input(const Arguments& a) : weight(a.floats("weight", -1)), x(a.floats("x", -1)) {
    const long count = long(weight.size()), groups = a.integer("groups", 1, 1 << 20, 1), size = round32(count);
    if (count < 1) a.fail("weight: expected at least one number");
    if (long(x.size()) % (groups * count))
      a.fail("x: expected rows of " + std::to_string(groups * count) + ", got Float32Array of " + std::to_string(x.size()));
    width = groups * count, M = long(x.size()) / width;
    shape = {a.dtype(), groups * size, 0, groups, size, count, float(a.number("eps", 1e-6))};
    for (long k = 0; M && k < groups * count; k++) at.push_back(k / count * size + k % count);
  }
  Rows rows(const Floats& v) const { return Rows(shape.dtype, v, M, width, shape.columns, at); }
};

}  // namespace

static Napi::Object forward(const Arguments& a, Team& team) {
  const Input in(a);
  const Rows x = in.rows(in.x), y(in.shape.dtype, in.M, in.shape.columns);
  const Floats w = padded(in.weight, in.shape.size);
  Floats inverse(elements({in.M, in.shape.groups}));
  const rms_norm::Forward f{in.shape, x.data(), w.data(), y.data(), inverse.data()};
  const auto run = [&] { team.rows(in.M, [&](long first, long last, int) { rms_norm::forward(f, first, last); }); };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("y", y.to_js(a.env(), in.width, in.at)), out.Set("inverse", to_js(a.env(), inverse));
  time_repeats(a, out, run);
  return out;
}
extern const Kernel rms_norm_kernel{"rms_norm", variants, forward};

static Napi::Object backward(const Arguments& a, Team& team) {
  const Input in(a);
  const Floats beside = a.floats("through", long(in.x.size()), true), inverse = a.floats("inverse", elements({in.M, in.shape.groups}));
  const Rows x = in.rows(in.x), dy = in.rows(a.floats("dy", long(in.x.size()))), dx(in.shape.dtype, in.M, in.shape.columns);
  const Rows through = in.rows(beside.empty() ? Floats(in.x.size()) : beside);
  const Floats w = padded(in.weight, in.shape.size);
  const rms_norm::Backward b{in.shape, x.data(), w.data(), inverse.data(), dy.data(), beside.empty() ? nullptr : through.data(), dx.data()};
  const auto run = [&] { team.rows(in.M, [&](long first, long last, int) { rms_norm::backward(b, first, last); }); };
  run();
  Floats dw(in.shape.size);
  team.tasks(in.shape.size / 32, [&](long t, int) { rms_norm::weight_gradient(b, in.M, dw.data(), t * 32, t * 32 + 32); });
  dw.resize(in.weight.size());
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("dx", dx.to_js(a.env(), in.width, in.at)), out.Set("dweight", to_js(a.env(), dw));
  time_repeats(a, out, run);
  return out;
}
extern const Kernel rms_norm_backward_kernel{"rms_norm_backward", variants, backward};

}  // namespace attune::binding
