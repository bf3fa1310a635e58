#include "kernels/matmul/matmul.h"
#include "binding/kernels.h"
#include "binding/rows.h"
#include "kernels/swiglu/swiglu.h"

namespace attune::binding {
namespace {

using matmul::Finish;
constexpr long kMost = 1L << 24;
const std::vector<std::string> kFinishes{"store", "store_scaled", "add", "swiglu", "swiglu_backward", "store_float"};

// Places of stacked gate and up (2 I) in the packed matrix.
template <class Places> Places gate_up_places(long I) {
  Places at(2 * I);
  for (long i = 0; i < I; i++) {
    at[i] = typename Places::value_type(swiglu::gate_place(i));
    at[I + i] = typename Places::value_type(swiglu::up_place(i));
  }
  return at;
}
// The weights as given: fp32, or the bits of a checkpoint's bf16 or f16.
matmul::Source source_of(const Arguments& a, long N, long K, Floats& floats, Halves& halves) {
  const Stored stored = Stored(a.choice("stored", {"f32", "bf16", "f16"}, 0));
  if (stored == Stored::f32) {
    floats = a.floats("w", elements({N, K}));
    return {floats.data(), stored, N, K, nullptr, nullptr};
  }
  halves = a.halves("w", elements({N, K}));
  return {halves.data(), stored, N, K, nullptr, nullptr};
}

struct Call {
  DType dtype;
  long M, N, K;
  bool transposed;
  Finish finish;
  bool gated() const { return finish == Finish::swiglu; }
  long contraction() const { return transposed ? N : K; }
  long columns() const { return transposed ? K : N; }  // logical
  long physical() const { return gated() ? 2 * round32(N / 2) : round32(columns()); }
  explicit Call(const Arguments& a)
      : dtype(a.dtype()),
        M(a.integer("m", 0, kMost)),
        N(a.integer("n", 1, kMost)),
        K(a.integer("k", 1, kMost)),
        transposed(a.flag("transposed", false)),
        finish(Finish(a.choice("finish", kFinishes, 0))) {
    if (gated() && (transposed || N % 2)) a.fail("finish: swiglu expects an even n and no transposed");
  }
};

bool pack_weights(const Arguments& a, const Call& call, matmul::Weights& w) {
  Floats floats;
  Halves halves;
  matmul::Source s = source_of(a, call.N, call.K, floats, halves);
  const Ints places = call.gated() ? gate_up_places<Ints>(call.N / 2) : Ints();
  if (call.gated()) s.row_at = places.data();
  matmul::allocate(w, call.dtype, call.gated() ? call.physical() : round32(call.N), round32(call.K),
                   call.transposed && a.flag("both", true));
  return matmul::pack(w, s, 0, call.N);
}

// The low-rank term: lowLeft (m, rank), lowRight (n, rank), or (rank, k) for the transposed product.
struct Low {
  Rows left;
  matmul::Weights right;
  Bytes window;
  Low(const Arguments& a, const Call& c, long rank) : left(c.dtype, a.floats("lowLeft", elements({c.M, rank})), c.M, rank, round32(rank)) {
    const Floats values = a.floats("lowRight", elements({c.columns(), rank}));
    const long rows = c.transposed ? rank : c.N, columns = c.transposed ? c.K : rank;
    matmul::allocate(right, c.dtype, c.transposed ? round32(rank) : c.physical(), c.transposed ? round32(c.K) : round32(rank),
                     c.transposed);
    const Ints places = c.gated() ? gate_up_places<Ints>(c.N / 2) : Ints();
    matmul::pack(right, {values.data(), Stored::f32, rows, columns, c.gated() ? places.data() : nullptr, nullptr}, 0, rows);
    for (const int x : a.has("window") ? a.ints_within("window", c.physical() / 16, 0, int(round32(rank) / 32)) : Ints())
      window.push_back(uint8_t(x));
  }
};

void run_passes(const matmul::Product& p, long M, Team& team) {
  Memory work(size_t(team.size()) * matmul::workspace_floats() * sizeof(float));
  team.rows(M, [&](long first, long last, int id) {
    for (long m = first; m < last; m += 256)
      matmul::rows(p, m, std::min(last, m + 256), work.as<float>() + id * matmul::workspace_floats());
  });
}

Napi::Object run(const Arguments& a, Team& team) {
  const Call call(a);
  const DType t = call.dtype;
  matmul::Weights w;
  const bool finite = pack_weights(a, call, w);
  const long M = call.M, K = call.contraction(), N = call.gated() ? call.N / 2 : call.columns(), columns = round32(N);
  const Rows x(t, a.floats("a", elements({M, K})), M, K, round32(K)), c(t, M, columns);
  const bool two = call.gated() || call.finish == Finish::swiglu_backward;  // gate and up
  const std::vector<long> places = two ? gate_up_places<std::vector<long>>(N) : std::vector<long>();
  const Floats given = a.floats("bias", call.columns(), true),
               bias = padded(given, call.physical(), call.gated() ? places : std::vector<long>());
  matmul::Product p{x.data(),
                    round32(K),
                    0,
                    &w,
                    call.transposed,
                    {},
                    call.finish,
                    c.data(),
                    columns,
                    0,
                    nullptr,
                    given.empty() ? nullptr : bias.data(),
                    nullptr,
                    float(a.number("scale", 1)),
                    N};
  Rows residual(t, 0, 32), kept(t, 0, 32);
  if (call.finish == Finish::add) residual = Rows(t, a.floats("residual", elements({M, N})), M, N, columns), p.residual = residual.data();
  if (call.finish == Finish::swiglu) kept = Rows(t, M, 2 * columns), p.kept = kept.data();
  if (call.finish == Finish::swiglu_backward)
    kept = Rows(t, a.floats("kept", elements({M, 2, N})), M, 2 * N, 2 * columns, places), p.kept = kept.data();
  Floats floats(call.finish == Finish::store_float ? elements({M, N}) : 0);
  if (!floats.empty()) p.c = floats.data();
  std::vector<Low> low;
  if (const long rank = a.integer("lowRank", 0, 8160, 0)) {
    low.emplace_back(a, call, rank);
    p.low = {low[0].left.data(), &low[0].right, call.transposed, low[0].window.empty() ? nullptr : low[0].window.data()};
  }
  run_passes(p, M, team);
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("c", to_js(a.env(), call.finish == Finish::store_float ? floats : c.floats(N))), out.Set("finite", finite);
  if (p.kept) out.Set("kept", kept.to_js(a.env(), 2 * N, places));
  time_repeats(a, out, [&] { run_passes(p, M, team); });
  return out;
}

Napi::Object run_contract(const Arguments& a, Team& team) {
  const DType t = a.dtype();
  const long M = a.integer("m", 0, kMost), R = a.integer("r", 1, kMost), K = a.integer("k", 1, kMost), columns = round32(K);
  const Floats given_left = a.floats("left", elements({M, R})), given_right = a.floats("right", elements({M, K}));
  const Floats start = a.floats("out", elements({R, K}), true);
  const long task = a.integer("taskBlocks", 1, 1 << 16, 18), blocks = columns / 32;
  Napi::Object result = Napi::Object::New(a.env());
  if (M == 0 && start.empty()) {  // zeros that nobody touches cost no memory, however many
    result.Set("out", zeros(a.env(), size_t(elements({R, K}))));
    time_repeats(a, result, [] {});
    return result;
  }
  const Rows left(t, given_left, M, R, round32(R)), right(t, given_right, M, K, columns);
  const Rows out = start.empty() ? Rows(DType::f32, R, columns) : Rows(DType::f32, start, R, K, columns);
  const matmul::Contract c{
      left.data(), round32(R), 0, round32(R), right.data(), columns, 0, columns, M, t, static_cast<float*>(out.data())};
  const auto work = [&] {
    team.tasks((blocks + task - 1) / task, [&](long i, int) { matmul::contract(c, i * task, std::min(blocks, (i + 1) * task)); });
  };
  work();
  result.Set("out", out.to_js(a.env(), K));
  time_repeats(a, result, work);
  return result;
}

Napi::Object run_column_sums(const Arguments& a, Team&) {
  const long M = a.integer("m", 0, kMost), K = a.integer("k", 1, kMost), columns = round32(K);
  const DType t = a.dtype();
  const Rows x(t, a.floats("x", elements({M, K})), M, K, columns);
  Floats out = a.floats("out", K, true);
  out.resize(columns);
  matmul::column_sums(x.data(), t, M, columns, 0, columns, out.data());
  out.resize(K);
  Napi::Object result = Napi::Object::New(a.env());
  result.Set("out", to_js(a.env(), out));
  return result;
}

Napi::Object run_plan(const Arguments& a, Team&) {
  const matmul::Plan p =
      matmul::plan(a.dtype(), cpu::Isa(a.choice("isa", {"reference", "avx2", "avx512", "amx"}, 1)), a.integer("contraction", 32, kMost),
                   a.integer("l1", 1 << 10, 1 << 30, 48 << 10), a.integer("l2", 1 << 10, 1L << 40, 2 << 20));
  Napi::Object result = Napi::Object::New(a.env());
  result.Set("rows", double(p.rows)), result.Set("depth", double(p.depth)), result.Set("columns", double(p.columns));
  result.Set("workspaceFloats", double(matmul::workspace_floats()));
  return result;
}

const std::vector<cpu::Isa> kAll{cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512, cpu::Isa::amx};

}  // namespace

extern const Kernel matmul_kernel{"matmul", kAll, run};
extern const Kernel matmul_contract_kernel{"matmul_contract", kAll, run_contract};
extern const Kernel matmul_column_sums_kernel{
    "matmul_column_sums", {cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512}, run_column_sums};
extern const Kernel matmul_plan_kernel{"matmul_plan", {cpu::Isa::reference}, run_plan};

}  // namespace attune::binding
