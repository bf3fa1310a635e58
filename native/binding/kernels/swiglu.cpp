#include "kernels/swiglu/swiglu.h"
#include "binding/kernels.h"
#include "binding/rows.h"

namespace attune::binding {
namespace {

const std::vector<cpu::Isa> variants{cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512};

swiglu::Activation activation(const Arguments& a) { return swiglu::Activation(a.choice("activation", {"silu", "gelu", "gelu_tanh"}, 0)); }

// Rows of `columns` numbers each; how many there are.
long rows_of(const Arguments& a, const char* name, const Floats& x, long columns) {
  if (long(x.size()) % columns)
    a.fail(std::string(name) + ": expected rows of " + std::to_string(columns) + ", got Float32Array of " + std::to_string(x.size()));
  return long(x.size()) / columns;
}

// gate and up, (M, I) each, as the product gives them: 16 columns of each by turns.
struct GateUp {
  swiglu::Activation f;
  DType dtype;
  long I;
  Floats gate;
  long M, physical;
  std::vector<long> gates, ups;
  Rows rows;

  explicit GateUp(const Arguments& a)
      : f(activation(a)),
        dtype(a.dtype()),
        I(a.integer("columns", 1, 1 << 24)),
        gate(a.floats("gate", -1)),
        M(rows_of(a, "gate", gate, I)),
        physical(round32(I)),
        rows(dtype, M, 2 * physical) {
    const Floats up = a.floats("up", long(gate.size()));
    if (M == 0) return;
    Floats both;
    for (long i = 0; i < I; i++) gates.push_back(swiglu::gate_place(i)), ups.push_back(swiglu::up_place(i));
    std::vector<long> at(gates);
    at.insert(at.end(), ups.begin(), ups.end());
    for (long m = 0; m < M; m++) {
      both.insert(both.end(), gate.begin() + m * I, gate.begin() + (m + 1) * I);
      both.insert(both.end(), up.begin() + m * I, up.begin() + (m + 1) * I);
    }
    rows = Rows(dtype, both, M, 2 * I, 2 * physical, at);
  }
};

Napi::Object forward(const Arguments& a, Team& team) {
  const GateUp in(a);
  const Rows act(in.dtype, in.M, in.physical);
  const auto run = [&] {
    team.rows(in.M,
              [&](long first, long last, int) { swiglu::forward(in.f, in.dtype, in.rows.data(), act.data(), in.physical, first, last); });
  };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("act", act.to_js(a.env(), in.I));
  time_repeats(a, out, run);
  return out;
}

Napi::Object backward(const Arguments& a, Team& team) {
  const GateUp in(a);
  const Rows dact(in.dtype, a.floats("dact", long(in.gate.size())), in.M, in.I, in.physical), act(in.dtype, in.M, in.physical);
  const auto run = [&] {
    team.rows(in.M, [&](long first, long last, int) {
      swiglu::backward(in.f, in.dtype, in.rows.data(), dact.data(), act.data(), in.physical, first, last);
    });
  };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("dgate", in.rows.to_js(a.env(), in.I, in.gates)), out.Set("dup", in.rows.to_js(a.env(), in.I, in.ups));
  out.Set("act", act.to_js(a.env(), in.I));
  time_repeats(a, out, run);
  return out;
}

Napi::Object unary(const Arguments& a, Team& team) {
  const Floats numbers = a.floats("x", -1);
  const long columns = a.integer("columns", 1, 1 << 24, numbers.empty() ? 1 : long(numbers.size())), M = rows_of(a, "x", numbers, columns),
             physical = round32(columns);
  const DType dtype = a.dtype();
  const swiglu::Activation f = activation(a);
  const bool back = a.has("dy");
  const Rows x(dtype, numbers, M, columns, physical), y(dtype, M, physical);
  const Rows dy(dtype, back ? a.floats("dy", long(numbers.size())) : numbers, M, columns, physical);
  const auto run = [&] {
    team.rows(M, [&](long first, long last, int) {
      if (back)
        swiglu::unary_backward(f, dtype, x.data(), dy.data(), y.data(), physical, first, last);
      else
        swiglu::unary(f, dtype, x.data(), y.data(), physical, first, last);
    });
  };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set(back ? "dx" : "y", y.to_js(a.env(), columns));
  time_repeats(a, out, run);
  return out;
}

}  // namespace

extern const Kernel swiglu_kernel{"swiglu", variants, forward};
extern const Kernel swiglu_backward_kernel{"swiglu_backward", variants, backward};
extern const Kernel activation_kernel{"activation", variants, unary};

}  // namespace attune::binding
