#include "kernels/embedding/embedding.h"
#include "binding/kernels.h"
#include "binding/named.h"
#include "binding/rows.h"
#include <algorithm>

namespace attune::binding {
namespace {

const std::vector<cpu::Isa> variants{cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512};

// x (N, columns): the rows `ids` of weight (V, columns).
Napi::Object forward(const Arguments& a, Team& team) {
  const DType dtype = a.dtype();
  const long V = a.integer("vocabulary", 1, 1L << 24), H = a.integer("columns", 1, 1 << 20);
  const Floats table = a.floats("weight", elements({V, H}));
  const Ints ids = a.ints_within("ids", -1, 0, int(V) - 1);
  const long N = long(ids.size());
  matmul::Weights w;
  matmul::allocate(w, dtype, round32(V), round32(H), false);
  matmul::pack(w, {table.data(), Stored::f32, V, H, nullptr, nullptr}, 0, V);
  const Rows x(dtype, N, w.K);
  const auto run = [&] { team.rows(N, [&](long first, long last, int) { embedding::forward(w, ids.data(), N, x.data(), first, last); }); };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("x", x.to_js(a.env(), H));
  time_repeats(a, out, run);
  return out;
}

// dweight (V, columns) from dx (N, columns).
Napi::Object backward(const Arguments& a, Team& team) {
  const DType dtype = a.dtype();
  const long V = a.integer("vocabulary", 1, 1L << 24), H = a.integer("columns", 1, 1 << 20), physical = round32(H);
  const Ints ids = a.ints_within("ids", -1, 0, int(V) - 1);
  const long N = long(ids.size());
  Napi::Object out = Napi::Object::New(a.env());
  if (N == 0) {  // zeros that nobody touches cost no memory, however large the vocabulary
    a.floats("dx", 0);
    out.Set("dweight", zeros(a.env(), size_t(elements({V, H}))));
    time_repeats(a, out, [] {});
    return out;
  }
  // Rows of the vocabulary that no id names are zeros that nobody touches: the kernel is given those alone that one does.
  const Named named(ids);
  Ints places(ids.size());
  for (size_t t = 0; t < ids.size(); t++) places[t] = named.place_of(ids[t]);
  const Rows dx(dtype, a.floats("dx", elements({N, H})), N, H, physical), dw(DType::f32, named.count(), physical);
  const auto run = [&] {
    team.tasks(physical / 32, [&](long t, int) {
      embedding::backward(dx.data(), dtype, places.data(), N, physical, (float*)dw.data(), t * 32, t * 32 + 32);
    });
  };
  run();
  Napi::Float32Array dweight = zeros(a.env(), size_t(elements({V, H})));
  const Floats rows = dw.floats(H);
  for (long i = 0; i < named.count(); i++) std::copy_n(&rows[i * H], H, dweight.Data() + named[i] * H);
  out.Set("dweight", dweight);
  time_repeats(a, out, run);
  return out;
}

}  // namespace

extern const Kernel embedding_kernel{"embedding", variants, forward};
extern const Kernel embedding_backward_kernel{"embedding_backward", variants, backward};

}  // namespace attune::binding
