#include "kernels/rotary/rotary.h"
#include "binding/kernels.h"
#include "binding/rows.h"
#include "kernels/attention/attention.h"
#include <algorithm>

namespace attune::binding {
namespace {

rotary::Config config(const Arguments& a, long head_size) {
  rotary::Config c;
  c.kind = rotary::Kind(a.choice("kind", {"default", "linear", "dynamic", "llama3", "yarn"}, 0));
  c.head_size = head_size;
  c.base = a.number("base", c.base), c.factor = a.number("factor", c.factor);
  c.low_freq_factor = a.number("lowFreqFactor", c.low_freq_factor), c.high_freq_factor = a.number("highFreqFactor", c.high_freq_factor);
  c.original_context = a.integer("originalContext", 1, 1L << 40, 0), c.context = a.integer("context", 1, 1L << 40, 0);
  c.beta_fast = a.number("betaFast", c.beta_fast), c.beta_slow = a.number("betaSlow", c.beta_slow);
  c.attention_factor = a.number("attentionFactor", 0);
  c.mscale = a.number("mscale", 0), c.mscale_all_dim = a.number("mscaleAllDim", 0), c.truncate = a.flag("truncate", true);
  return c;
}

Napi::Object frequencies(const Arguments& a, Team&) {
  Floats f;
  float factor;
  rotary::frequencies(config(a, a.integer("headSize", 1, 1 << 16)), a.integer("length", 0, 1L << 40, 0), f, factor);
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("frequencies", to_js(a.env(), f)), out.Set("attentionFactor", factor);
  return out;
}

// x (N, heads, headSize) turned by each row's position.
Napi::Object rotate(const Arguments& a, Team& team) {
  const Ints positions = a.ints_within("positions", -1, 0, 1 << 30);
  const long N = long(positions.size()), d = a.integer("headSize", 1, 1 << 16), heads = a.integer("heads", 1, 1 << 16, 1),
             D = attention::physical_head(d);
  const Floats x = a.floats("x", elements({N, heads, d}));
  const long longest = positions.empty() ? 0 : *std::max_element(positions.begin(), positions.end()) + 1L;
  Floats f;
  Floats cos(elements({N, D / 2})), sin(cos.size());
  float factor;
  rotary::frequencies(config(a, d), a.integer("length", 0, 1L << 40, longest), f, factor);
  for (long m = 0; m < N; m++) rotary::row(f, factor, positions[m], D / 2, cos.data() + m * D / 2, sin.data() + m * D / 2);
  std::vector<long> at;
  for (long k = 0; N && k < heads * d; k++) at.push_back(k / d * D + attention::head_place(k % d, d));
  const bool inverse = a.flag("inverse", false);
  const DType dtype = a.dtype();
  const Rows rows(dtype, x, N, heads * d, heads * D, at);
  const auto run = [&] {
    team.rows(N, [&](long first, long last, int) {
      rotary::rotate(rows.data(), dtype, heads * D, 0, heads, D, cos.data(), sin.data(), inverse, first, last);
    });
  };
  run();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("x", rows.to_js(a.env(), heads * d, at));
  time_repeats(a, out, run);
  return out;
}

}  // namespace

extern const Kernel rotary_kernel{"rotary", {cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512}, rotate};
extern const Kernel rotary_frequencies_kernel{"rotary_frequencies", {cpu::Isa::reference}, frequencies};

}  // namespace attune::binding
