#include "kernels/lora_matmul/lora_matmul.h"
#include "binding/kernels.h"
#include "binding/rows.h"
#include "kernels/swiglu/swiglu.h"

namespace attune::binding {
namespace {

constexpr long kMost = 1L << 24;
// Places of outputs are ints: kMost columns of each target stay below 2^31.
constexpr uint32_t kMostTargets = 64;

// One linear layer of the group as JavaScript gives it.
struct Given {
  long n, rank;
  Floats w, a, b;
  Ints at;  // places of its outputs
};

std::vector<Given> targets_of(const Arguments& a, long K) {
  if (!a.raw("targets").IsArray()) a.fail("targets: expected an array");
  const Napi::Array list = a.raw("targets").As<Napi::Array>();
  const uint32_t count = list.Length();
  if (count < 1) a.fail("targets: expected at least one");
  if (count > kMostTargets) a.fail("targets: expected at most " + std::to_string(kMostTargets) + ", got " + std::to_string(count));
  std::vector<Given> all;
  for (uint32_t i = 0; i < count; i++) {
    const Arguments t(list.Get(i), "lora_matmul targets[" + std::to_string(i) + "]");
    Given g;
    g.n = t.integer("n", 1, kMost), g.rank = t.integer("rank", 0, 256);
    g.w = t.floats("w", elements({g.n, K})), g.a = t.floats("a", elements({g.rank, K}), g.rank == 0);
    g.b = t.floats("b", elements({g.n, g.rank}), g.rank == 0);
    all.push_back(std::move(g));
  }
  return all;
}

// Puts the targets side by side, each from a multiple of 32 on, or (gated) the two by turns, 16 columns each. The number of physical columns.
long lay_out(const Arguments& a, std::vector<Given>& all) {
  const bool gated = a.flag("gated", false);
  if (gated && (all.size() != 2 || all[0].n != all[1].n)) a.fail("gated: expected two targets of equal n");
  long N = 0;
  for (size_t t = 0; t < all.size(); t++) {
    for (long i = 0; i < all[t].n; i++) all[t].at.push_back(int(!gated ? N + i : t == 0 ? swiglu::gate_place(i) : swiglu::up_place(i)));
    N += round32(all[t].n);
  }
  return N;
}

struct Call {
  DType dtype;
  long M, K, inputs, N, outputs = 0;
  std::vector<Given> given;
  std::vector<long> places;  // of all outputs
  matmul::Weights w;
  lora_matmul::Group group;
  Floats dy;  // (M, outputs)
  bool backward;

  explicit Call(const Arguments& a)
      : dtype(a.dtype()),
        M(a.integer("m", 0, kMost)),
        K(0),
        inputs(a.integer("k", 1, kMost)),
        N(0),
        given(targets_of(a, inputs)),
        dy(a.floats("dy", -1, true)),
        backward(a.has("dy")) {
    K = round32(inputs), N = lay_out(a, given);
    matmul::allocate(w, dtype, N, K, backward);
    group.K = K, group.N = N, group.inputs = inputs, group.scale = float(a.number("scale", 1));
    for (const Given& g : given) {
      matmul::pack(w, {g.w.data(), Stored::f32, g.n, inputs, g.at.data(), nullptr}, 0, g.n);
      group.targets.push_back({g.rank, 0, g.n, g.at.data()});
      places.insert(places.end(), g.at.begin(), g.at.end()), outputs += g.n;
    }
    if (backward && long(dy.size()) != elements({M, outputs}))
      a.fail("dy: expected a Float32Array of " + std::to_string(M * outputs) + ", got Float32Array of " + std::to_string(dy.size()));
    lora_matmul::prepare(group, dtype, backward);
    for (size_t t = 0; t < given.size(); t++) lora_matmul::pack(group, int(t), given[t].a.data(), given[t].b.data());
  }
};

template <class F> void passes(Team& team, long M, F&& f) {
  Memory work(size_t(team.size()) * matmul::workspace_floats() * sizeof(float));
  team.rows(M, [&](long first, long last, int id) {
    for (long m = first; m < last; m += 256) f(m, std::min(last, m + 256), work.as<float>() + id * matmul::workspace_floats());
  });
}

void run_forward(const Call& c, Team& team, const Rows& x, const Rows& P, const Rows& y) {
  passes(team, c.M, [&](long first, long last, float* work) {
    if (c.group.R) lora_matmul::down(c.group, x.data(), c.K, 0, P.data(), first, last, work);
    matmul::Product p{x.data(), c.K, 0, &c.w, false, {}, matmul::Finish::store, y.data(), c.N, 0, nullptr, nullptr, nullptr, 1, 0};
    if (c.group.R) p.low = lora_matmul::forward_term(c.group, P.data());
    matmul::rows(p, first, last, work);
  });
}
void run_backward(Call& c, Team& team, const Rows& x, const Rows& P, const Rows& dy, const Rows& dP, const Rows& dx) {
  passes(team, c.M, [&](long first, long last, float* work) {
    if (c.group.R) lora_matmul::down_backward(c.group, dy.data(), c.N, 0, dP.data(), first, last, work);
    matmul::Product p{dy.data(), c.N, 0, &c.w, true, {}, matmul::Finish::store, dx.data(), c.K, 0, nullptr, nullptr, nullptr, 1, 0};
    if (c.group.R) p.low = lora_matmul::backward_term(c.group, dP.data());
    matmul::rows(p, first, last, work);
  });
  std::vector<lora_matmul::GradientTask> tasks;
  if (c.group.R) lora_matmul::gradient_tasks(c.group, x.data(), c.K, 0, dP.data(), P.data(), dy.data(), c.N, 0, c.M, tasks);
  team.tasks(long(tasks.size()), [&](long i, int) { matmul::contract(tasks[i].contract, tasks[i].from, tasks[i].to); });
}

Napi::Array gradients(const Arguments& a, const Call& c) {
  Napi::Array all = Napi::Array::New(a.env());
  for (size_t t = 0; t < c.given.size(); t++) {
    Floats da(c.given[t].a.size()), db(c.given[t].b.size());
    lora_matmul::gradient(c.group, int(t), da.data(), db.data());
    Napi::Object one = Napi::Object::New(a.env());
    one.Set("a", to_js(a.env(), da)), one.Set("b", to_js(a.env(), db));
    all.Set(uint32_t(t), one);
  }
  return all;
}

Napi::Object run(const Arguments& a, Team& team) {
  Call c(a);
  const Rows x(c.dtype, a.floats("x", elements({c.M, c.inputs})), c.M, c.inputs, c.K), P(c.dtype, c.M, c.group.R), y(c.dtype, c.M, c.N);
  run_forward(c, team, x, P, y);
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("y", y.to_js(a.env(), c.outputs, c.places));
  if (!c.backward) {
    time_repeats(a, out, [&] { run_forward(c, team, x, P, y); });
    return out;
  }
  const Rows dy(c.dtype, c.dy, c.M, c.outputs, c.N, c.places), dP(c.dtype, c.M, c.group.R), dx(c.dtype, c.M, c.K);
  run_backward(c, team, x, P, dy, dP, dx);
  out.Set("dx", dx.to_js(a.env(), c.inputs)), out.Set("gradients", gradients(a, c));
  time_repeats(a, out, [&] { run_forward(c, team, x, P, y), run_backward(c, team, x, P, dy, dP, dx); });
  return out;
}

}  // namespace

extern const Kernel lora_matmul_kernel{"lora_matmul", {cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512, cpu::Isa::amx}, run};

}  // namespace attune::binding
