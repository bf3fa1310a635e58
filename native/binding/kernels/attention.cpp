// attention, attention_backward, attention_decode on row-major q (N, H, d), k and v (N, G, d) of any head size.
#include "kernels/attention/attention.h"
#include "binding/hidden_keys.h"
#include "binding/kernels.h"
#include "binding/named.h"
#include "binding/rows.h"
#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace attune::binding {
namespace {

using namespace attention;

// What the three kernels share: heads and the layout of a head.
struct Heads {
  long H, G, d, D;  // query heads, key/value heads, logical and physical head size
  DType dtype;
  explicit Heads(const Arguments& a)
      : H(a.integer("heads", 1, 1024)),
        G(a.integer("kvHeads", 1, 1024)),
        d(a.integer("headSize", 1, kMostHead)),
        D(physical_head(d)),
        dtype(a.dtype()) {
    if (H % G) a.fail("heads: expected a multiple of kvHeads, " + std::to_string(G) + ", got " + std::to_string(H));
  }
  long columns() const { return (H + 2 * G) * D; }
  // Physical columns of the logical numbers of heads first .. first + count.
  std::vector<long> places(long first, long count) const {
    std::vector<long> at;
    for (long k = 0; k < count * d; k++) at.push_back((first + k / d) * D + head_place(k % d, d));
    return at;
  }
  // q, k and v side by side; an empty one is zero.
  Rows joined(const Floats& q, const Floats& k, const Floats& v, long rows) const {
    Floats all;
    all.reserve(elements({rows, H + 2 * G, d}));
    const auto piece = [&](const Floats& x, long m, long width) {
      if (x.empty())
        all.insert(all.end(), width, 0.f);
      else
        all.insert(all.end(), x.begin() + m * width, x.begin() + (m + 1) * width);
    };
    for (long m = 0; m < rows; m++) piece(q, m, H * d), piece(k, m, G * d), piece(v, m, G * d);
    return Rows(dtype, all, rows, (H + 2 * G) * d, columns(), places(0, H + 2 * G));
  }
};

// cos and sin (rows, d/2), made as wide as half a physical head.
struct Rotation {
  Floats cos, sin;
  Rotation(const Arguments& a, const char* cos_name, const char* sin_name, long rows, const Heads& s) {
    if (!a.has(cos_name) && !a.has(sin_name)) return;
    if (s.d % 2) a.fail("headSize: expected an even number where cos and sin are given, got " + std::to_string(s.d));
    cos = widened(a.floats(cos_name, elements({rows, s.d / 2})), rows, s, 1),
    sin = widened(a.floats(sin_name, elements({rows, s.d / 2})), rows, s, 0);
  }
  const float* c() const { return cos.empty() ? nullptr : cos.data(); }
  const float* s() const { return cos.empty() ? nullptr : sin.data(); }

 private:
  static Floats widened(const Floats& x, long rows, const Heads& s, float padding) {
    Floats out(std::max(1L, rows * s.D / 2), padding);  // one at least: an empty batch is rotated too
    for (long m = 0; m < rows; m++)
      for (long i = 0; i < s.d / 2; i++) out[m * s.D / 2 + i] = x[m * s.d / 2 + i];
    return out;
  }
};

long rows_of(const Arguments& a, const Floats& x, const char* name, long width) {
  if (long(x.size()) % width)
    a.fail(std::string(name) + ": expected rows of " + std::to_string(width) + ", got a Float32Array of " + std::to_string(x.size()));
  return long(x.size()) / width;
}
float positive(const Arguments& a, const char* name, double otherwise, bool zero) {
  const double x = a.number(name, otherwise);
  if (!(x >= 0 && x < 1e30) || (x == 0 && !zero)) a.fail(std::string(name) + ": expected a positive number, got " + std::to_string(x));
  return float(x);
}

const int* given(const Ints& v) { return v.empty() ? nullptr : v.data(); }

// A batch: its matrices and the arguments of the forward pass.
struct Batch {
  Heads s;
  Floats q;
  long N;
  Ints starts;
  Rotation rotation;
  HiddenKeys hidden;
  Rows qkv, out;
  Floats lse;
  Forward forward;

  explicit Batch(const Arguments& a)
      : s(a),
        q(a.floats("q", -1)),
        N(rows_of(a, q, "q", s.H * s.d)),
        starts(a.starts("sequenceStarts", N)),
        rotation(a, "cos", "sin", N, s),
        hidden(a, starts, N),
        qkv(s.joined(q, a.floats("k", elements({N, s.G, s.d})), a.floats("v", elements({N, s.G, s.d})), N)),
        out(s.dtype, N, s.H * s.D),
        lse(elements({s.H, N})) {
    const Shape shape{s.dtype,
                      s.H,
                      s.G,
                      s.D,
                      starts.data(),
                      long(starts.size()) - 1,
                      a.flag("causal", true),
                      a.integer("window", 0, 1L << 30, 0),
                      positive(a, "scale", 1 / std::sqrt(double(s.d)), false),
                      positive(a, "softcap", 0, true),
                      rotation.c(),
                      rotation.s(),
                      given(hidden.positions),
                      given(hidden.from),
                      given(hidden.to)};
    forward = {shape, qkv.data(), out.data(), lse.data()};
  }
  void results(const Arguments& a, Napi::Object& o) const {
    o.Set("out", out.to_js(a.env(), s.H * s.d, s.places(0, s.H))), o.Set("lse", to_js(a.env(), lse));
  }
};

Napi::Object run_forward(const Arguments& a, Team& team) {
  const Batch b(a);
  const Memory workspace(forward_bytes(b.forward.shape, team.size()));
  const auto run = [&] { attention::forward(team, b.forward, workspace.as<char>()); };
  run();
  Napi::Object o = Napi::Object::New(a.env());
  b.results(a, o);
  time_repeats(a, o, run);
  return o;
}

Napi::Object run_backward(const Arguments& a, Team& team) {
  const Batch b(a);
  const Heads& s = b.s;
  const Rows dout(s.dtype, a.floats("dout", elements({b.N, s.H, s.d})), b.N, s.H * s.d, s.H * s.D, s.places(0, s.H)),
      dqkv(s.dtype, b.N, s.columns());
  const Memory workspace(std::max(forward_bytes(b.forward.shape, team.size()), backward_bytes(b.forward.shape, team.size())));
  attention::forward(team, b.forward, workspace.as<char>());
  const Backward back{b.forward.shape, b.qkv.data(), b.out.data(), dout.data(), b.lse.data(), dqkv.data()};
  const auto run = [&] { attention::backward(team, back, workspace.as<char>()); };
  run();
  Napi::Object o = Napi::Object::New(a.env());
  b.results(a, o);
  o.Set("dq", dqkv.to_js(a.env(), s.H * s.d, s.places(0, s.H)));
  o.Set("dk", dqkv.to_js(a.env(), s.G * s.d, s.places(s.H, s.G)));
  o.Set("dv", dqkv.to_js(a.env(), s.G * s.d, s.places(s.H + s.G, s.G)));
  time_repeats(a, o, run);
  return o;
}

// Places (T) of new keys in the cache: rows are written by several threads, so each has a place of its own.
Ints slots_of(const Arguments& a, long T, long places) {
  const Ints slots = a.ints_within("slots", T, 0, int(places - 1));
  std::unordered_map<int, long> taken;
  for (long t = 0; t < T; t++)
    if (const auto [first, fresh] = taken.emplace(slots[t], t); !fresh)
      a.fail("slots[" + std::to_string(t) + "]: expected a place of its own, got " + std::to_string(slots[t]) + " of slots[" +
             std::to_string(first->second) + "]");
  return slots;
}

// Pages that no slot and no table names are never touched: the cache is made of the others alone, under new numbers. -> how many
long renumber_pages(Ints& slots, Ints& table) {
  Ints pages(table);
  for (const int slot : slots) pages.push_back(slot / 32);
  const Named named(std::move(pages));
  for (int& slot : slots) slot = named.place_of(slot / 32) * 32 + slot % 32;
  for (int& page : table) page = named.place_of(page);
  return named.count();
}

Napi::Object run_decode(const Arguments& a, Team& team) {
  const Heads s(a);
  const Floats q = a.floats("q", -1), k = a.floats("k", -1);
  const long B = rows_of(a, q, "q", s.H * s.d), T = rows_of(a, k, "k", s.G * s.d);
  const long most = a.integer("maxPages", 1, 1L << 20), pages = a.integer("pageCount", 1, 1L << 20);
  Ints slots = slots_of(a, T, pages * 32), table = a.ints_within("pages", elements({B, most}), 0, int(pages - 1));
  const Ints lengths = a.ints_within("lengths", B, 0, int(most * 32));
  const Rotation turn_q(a, "cos", "sin", B, s), turn_k(a, "keyCos", "keySin", T, s);
  const Rows past = s.joined({}, k, a.floats("v", elements({T, s.G, s.d})), T), now = s.joined(q, {}, {}, B), out(s.dtype, B, s.H * s.D);
  const size_t bytes = size_t(elements({renumber_pages(slots, table), 32, s.G, s.D})) * bytes_of(s.dtype);
  const Memory keys(bytes), values(bytes);
  const Cache cache{s.dtype, s.G, s.D, keys.as<void>(), values.as<void>()};
  append(team, cache, past.data(), s.H, turn_k.c(), turn_k.s(), slots.data(), T);
  const Decode d{cache,
                 s.H,
                 now.data(),
                 turn_q.c(),
                 turn_q.s(),
                 table.data(),
                 most,
                 lengths.data(),
                 B,
                 a.integer("window", 0, 1L << 30, 0),
                 positive(a, "scale", 1 / std::sqrt(double(s.d)), false),
                 positive(a, "softcap", 0, true),
                 out.data()};
  const auto run = [&] { decode(team, d); };
  run();
  Napi::Object o = Napi::Object::New(a.env());
  o.Set("out", out.to_js(a.env(), s.H * s.d, s.places(0, s.H)));
  time_repeats(a, o, run);
  return o;
}

const std::vector<cpu::Isa> kVariants{cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512, cpu::Isa::amx};

}  // namespace

extern const Kernel attention_kernel{"attention", kVariants, run_forward};
extern const Kernel attention_backward_kernel{"attention_backward", kVariants, run_backward};
extern const Kernel attention_decode_kernel{"attention_decode", {cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512}, run_decode};

}  // namespace attune::binding
