#include "kernels/logprob/logprob.h"
#include "binding/kernels.h"
#include "binding/rows.h"
#include "kernels/logprob/plan.h"

namespace attune::binding {
namespace {

const std::vector<cpu::Isa> variants{cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512, cpu::Isa::amx};

// hidden (R, H), weight (V, H), targets (R,): what both directions need, packed.
struct Input {
  DType dtype;
  long V, H, physical;
  std::vector<int> targets;
  long R;
  matmul::Weights head;
  Rows hidden;
  std::vector<float> logprob, lse, entropy, mean, bias;
  logprob::Forward f;

  explicit Input(const Arguments& a)
      : dtype(a.dtype()),
        V(a.integer("vocabulary", 1, 1L << 24)),
        H(a.integer("columns", 1, 1 << 20)),
        physical(round32(H)),
        targets(a.ints_within("targets", -1, 0, int(V) - 1)),
        R(long(targets.size())),
        hidden(dtype, a.floats("hidden", R * H), R, H, physical) {
    const std::vector<float> weight = a.floats("weight", V * H);
    matmul::allocate(head, dtype, round32(V), physical, false);
    matmul::pack(head, {weight.data(), Stored::f32, V, H, nullptr, nullptr}, 0, V);
    const double softcap = a.number("softcap", 0);
    if (softcap < 0) a.fail("softcap: expected 0 (none) or more, got " + std::to_string(softcap));
    logprob.resize(R), lse.resize(R);
    if (a.has("bias")) bias = padded(a.floats("bias", V), round32(V));
    f = {&head,
         V,
         hidden.data(),
         R,
         targets.data(),
         float(softcap),
         logprob.data(),
         lse.data(),
         nullptr,
         nullptr,
         bias.empty() ? nullptr : bias.data()};
  }
};

Napi::Object forward(const Arguments& a, Team& team) {
  Input in(a);
  if (a.flag("entropy", false)) in.entropy.resize(in.R), in.f.entropy = in.entropy.data();
  if (a.flag("mean", false)) in.mean.resize(in.R), in.f.mean = in.mean.data();
  Memory workspace(logprob::forward_bytes(in.f, team.size()));
  const auto run = [&] { logprob::forward(team, in.f, workspace.as<char>()); };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("logprob", to_js(a.env(), in.logprob)), out.Set("lse", to_js(a.env(), in.lse));
  if (a.flag("entropy", false)) out.Set("entropy", to_js(a.env(), in.entropy));
  if (a.flag("mean", false)) out.Set("mean", to_js(a.env(), in.mean));
  time_repeats(a, out, run);
  return out;
}

Napi::Object backward(const Arguments& a, Team& team) {
  Input in(a);
  in.lse = a.floats("lse", in.R), in.f.lse = in.lse.data();
  const std::vector<float> g = a.floats("g", in.R), g_lse = a.floats("gLse", in.R, true), g_mean = a.floats("gMean", in.R, true);
  const std::vector<float> g_entropy = a.floats("gEntropy", in.R, true);
  in.entropy = a.floats("entropy", in.R, !a.has("gEntropy"));
  if (!in.entropy.empty()) in.f.entropy = in.entropy.data();
  const auto given = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
  const Rows dhidden(in.dtype, in.R, in.physical), dweight(DType::f32, in.V, in.physical);
  const bool trained = a.flag("dweight", false);
  std::vector<float> dbias(trained && !in.bias.empty() ? round32(in.V) : 0);
  const logprob::Backward b{in.f,
                            g.data(),
                            given(g_lse),
                            given(g_entropy),
                            given(g_mean),
                            dhidden.data(),
                            trained ? (float*)dweight.data() : nullptr,
                            dbias.empty() ? nullptr : dbias.data()};
  Memory workspace(logprob::backward_bytes(b, team.size()));
  const auto run = [&] { logprob::backward(team, b, workspace.as<char>()); };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("dhidden", to_js(a.env(), dhidden.floats(in.H)));
  if (trained) out.Set("dweight", to_js(a.env(), dweight.floats(in.H)));
  if (!dbias.empty()) out.Set("dbias", to_js(a.env(), std::vector<float>(dbias.begin(), dbias.begin() + in.V)));
  time_repeats(a, out, run);
  return out;
}

Napi::Object plan(const Arguments& a, Team&) {
  const cpu::Isa isa = cpu::Isa(a.choice("isa", {"reference", "avx2", "avx512", "amx"}, 1));
  const logprob::Cut c = logprob::cut(a.dtype(), isa, a.integer("columns", 32, 1 << 20), a.integer("l1", 1 << 10, 1 << 30, 48 << 10),
                                      a.integer("l2", 1 << 10, 1L << 40, 2 << 20));
  const long R = a.integer("rows", 0, 1L << 32, 0), parts = (a.integer("vocabulary", 1, 1L << 24, 1) + logprob::kPart - 1) / logprob::kPart;
  const int threads = int(a.integer("threads", 1, 1024, 1));
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("rows", double(c.rows)), out.Set("gradientRows", double(c.gradient_rows)), out.Set("chunk", double(c.chunk));
  out.Set("part", double(logprob::kPart)), out.Set("evenRows", double(logprob::even_rows(R, c.gradient_rows, threads)));
  out.Set("byParts", logprob::by_parts(R, parts, threads));
  return out;
}

}  // namespace

extern const Kernel logprob_plan_kernel{"logprob_plan", {cpu::Isa::reference}, plan};
extern const Kernel logprob_kernel{"logprob", variants, forward};
extern const Kernel logprob_backward_kernel{"logprob_backward", variants, backward};

}  // namespace attune::binding
