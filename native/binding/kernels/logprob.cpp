#include "kernels/logprob/logprob.h"
#include "binding/kernels.h"
#include "binding/rows.h"
#include "kernels/logprob/candidates.h"
#include "kernels/logprob/plan.h"

namespace attune::binding {
namespace {

const std::vector<cpu::Isa> variants{cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512, cpu::Isa::amx};

// hidden (R, H), weight (V, H), targets (R,): what both directions need, packed.
struct Input {
  DType dtype;
  long V, H, physical;
  Ints targets;
  long R;
  matmul::Weights head;
  Rows hidden;
  Floats logprob, lse, entropy, mean, bias;
  logprob::Forward f;

  explicit Input(const Arguments& a)
      : dtype(a.dtype()),
        V(a.integer("vocabulary", 1, 1L << 24)),
        H(a.integer("columns", 1, 1 << 20)),
        physical(round32(H)),
        targets(a.ints_within("targets", -1, 0, int(V) - 1)),
        R(long(targets.size())),
        hidden(dtype, a.floats("hidden", elements({R, H})), R, H, physical) {
    const Floats weight = a.floats("weight", elements({V, H}));
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

// Ids (R, K) of an argument, as many a row as there are.
Ints candidate_ids(const Arguments& a, const Input& in) {
  Ints ids = a.ints_within("candidates", -1, 0, int(in.V) - 1);
  if (in.R == 0 ? !ids.empty() : long(ids.size()) % in.R != 0)
    a.fail("candidates: expected the same number of ids for each of " + std::to_string(in.R) + " rows, got " + std::to_string(ids.size()));
  return ids;
}
long per_row(const Ints& ids, const Input& in) { return in.R ? long(ids.size()) / in.R : 0; }

// What a forward pass is asked for beside its four outputs.
struct Entries {
  Ints ids, top_ids;
  Floats logprob, top_logprob;
  logprob::Candidates candidates;
  logprob::Top top;
  Memory workspace;

  Entries(const Arguments& a, Team& team, const Input& in) {
    if (a.has("candidates")) ids = candidate_ids(a, in), logprob.resize(ids.size());
    const long K = a.has("topK") ? a.integer("topK", 1, std::min(in.V, logprob::kTopMost)) : 0;
    top_ids.resize(elements({in.R, K})), top_logprob.resize(top_ids.size());
    candidates = {in.f, per_row(ids, in), ids.data(), logprob.data()};
    top = {in.f, K, top_ids.data(), top_logprob.data()};
    if (K) workspace.reserve(logprob::top_bytes(top, team.size()));
  }
  void run(Team& team) {
    if (candidates.K) logprob::candidates(team, candidates);
    if (top.K) logprob::top(team, top, workspace.as<char>());
  }
  void set(const Arguments& a, Napi::Object out) const {
    if (a.has("candidates")) out.Set("candidates", to_js(a.env(), logprob));
    if (top.K) out.Set("topIds", to_js(a.env(), top_ids)), out.Set("topLogprob", to_js(a.env(), top_logprob));
  }
};

Napi::Object forward(const Arguments& a, Team& team) {
  Input in(a);
  if (a.flag("entropy", false)) in.entropy.resize(in.R), in.f.entropy = in.entropy.data();
  if (a.flag("mean", false)) in.mean.resize(in.R), in.f.mean = in.mean.data();
  Memory workspace(logprob::forward_bytes(in.f, team.size()));
  Entries entries(a, team, in);
  const auto run = [&] {
    logprob::forward(team, in.f, workspace.as<char>());
    entries.run(team);
  };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("logprob", to_js(a.env(), in.logprob)), out.Set("lse", to_js(a.env(), in.lse));
  if (a.flag("entropy", false)) out.Set("entropy", to_js(a.env(), in.entropy));
  if (a.flag("mean", false)) out.Set("mean", to_js(a.env(), in.mean));
  entries.set(a, out);
  time_repeats(a, out, run);
  return out;
}

Napi::Object backward(const Arguments& a, Team& team) {
  Input in(a);
  in.lse = a.floats("lse", in.R), in.f.lse = in.lse.data();
  const Floats g = a.floats("g", in.R), g_lse = a.floats("gLse", in.R, true), g_mean = a.floats("gMean", in.R, true);
  const Floats g_entropy = a.floats("gEntropy", in.R, true);
  in.entropy = a.floats("entropy", in.R, !a.has("gEntropy"));
  if (!in.entropy.empty()) in.f.entropy = in.entropy.data();
  const auto given = [](const Floats& v) { return v.empty() ? nullptr : v.data(); };
  const bool trained = a.flag("dweight", false);
  const Rows dhidden(in.dtype, in.R, in.physical), dweight(DType::f32, trained ? in.V : 0, in.physical);
  Floats dbias(trained && !in.bias.empty() ? round32(in.V) : 0);
  const logprob::Backward b{in.f,
                            g.data(),
                            given(g_lse),
                            given(g_entropy),
                            given(g_mean),
                            dhidden.data(),
                            trained ? (float*)dweight.data() : nullptr,
                            dbias.empty() ? nullptr : dbias.data()};
  Memory workspace(logprob::backward_bytes(b, team.size()));
  const Ints ids = a.has("candidates") ? candidate_ids(a, in) : Ints();
  const Floats g_ids = a.floats("gCandidates", long(ids.size()), ids.empty());
  Floats of_ids = a.floats("candidateLogprob", long(ids.size()), ids.empty());
  const auto run = [&] {
    if (ids.empty()) return logprob::backward(team, b, workspace.as<char>());
    logprob::candidates_backward(team, b, {in.f, per_row(ids, in), ids.data(), of_ids.data()}, g_ids.data(), workspace.as<char>());
  };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("dhidden", dhidden.to_js(a.env(), in.H));
  if (trained) out.Set("dweight", dweight.to_js(a.env(), in.H));
  if (!dbias.empty()) out.Set("dbias", to_js(a.env(), Floats(dbias.begin(), dbias.begin() + in.V)));
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
  const long K = a.integer("topK", 1, logprob::kTopMost, 1);
  out.Set("topRows", double(logprob::top_rows(R, K, c.rows, threads, a.integer("l2", 1 << 10, 1L << 40, 2 << 20))));
  out.Set("byParts", logprob::by_parts(R, parts, threads));
  return out;
}

}  // namespace

extern const Kernel logprob_plan_kernel{"logprob_plan", {cpu::Isa::reference}, plan};
extern const Kernel logprob_kernel{"logprob", variants, forward};
extern const Kernel logprob_backward_kernel{"logprob_backward", variants, backward};

}  // namespace attune::binding
