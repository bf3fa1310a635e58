#include "cpu/features.h"
#include "transformer/cpu/cpu_engine.h"
#include "transformer/engine.h"
#include <algorithm>

namespace attune {

MemoryPlan plan_memory(const Network& c, const Options& o, const Workload& w) {
  const Axes a(c);
  // AMX reads a weight in one direction alone: those that are read both ways are packed twice.
  const bool two_packings = o.dtype == DType::bf16 && cpu::best() == cpu::Isa::amx;
  const double b = double(bytes_of(o.dtype)), L = double(c.layers);
  const double linear = double(a.C) * a.H + double(a.Q) * a.H + double(a.U + a.I) * a.H;  // of one layer
  const double vocabulary = double(a.V) * a.H * (c.tied ? 1 : 2);
  const double embeddings =
      c.encoder ? double(round32(c.context) + round32(c.types)) * a.H + double(a.H) * a.H : 0;  // and the head's layer
  const bool trained = o.train != Train::none;
  MemoryPlan p;
  p.fixed = L * linear * b * (trained && two_packings ? 2 : 1) + (vocabulary + embeddings) * b;
  if (o.train == Train::all) p.fixed += 16 * (L * linear + vocabulary + embeddings);  // fp32 master, gradient, two moments
  if (w.rank) {
    const double R =
        double(round32(3 * w.rank)) + 2 * round32(w.rank) + round32((c.encoder ? 1 : 2) * w.rank);  // groups q|k|v, o, down, gate|up
    const double width = double(a.C + 2 * a.H + a.Q + a.U + a.I + a.H);
    p.fixed += L * R / 4 * width * (4 * b + (trained ? 16 : 0));
  }
  // Buffers of a pass stay for the next one, so those that training and rollouts share are as large as the larger of both.
  const double M = double(round32(w.tokens)), widest = w.answers ? std::max(M, double(round32(w.prefill))) : M;
  const double layer = b * (2 * a.H + a.C + a.Q + double(a.U)) + 4.0 * (c.heads + 2);  // of a token
  const double kept = o.train == Train::none ? 0 : o.recompute ? L * b * a.H : (L - 1) * layer;
  p.activations = widest * layer + M * kept;
  p.activations += widest * (b * (6.0 * a.H + a.U + a.Q + 2 * a.C) + 8.0 * a.D);  // shared buffers, rotary tables
  if (w.answers) p.cache = cache_bytes(c, a, o.dtype, w.pages) + 4.0 * double(w.answers) * double(c.vocabulary);
  return p;
}

std::map<std::string, size_t> CpuEngine::memory() const {
  std::map<std::string, size_t> m;
  auto packed = [](const matmul::Weights& w) { return w.forward.bytes() + w.backward.bytes(); };
  m["weights"] = packed(head_) + packed(embedding_) + packed(encoder_.positions) + packed(encoder_.types) + packed(encoder_.dense.w);
  for (const Layer& l : layers_)
    for (const Linear& g : l.group) {
      m["weights"] += packed(g.w);
      m["gradients"] += 4 * g.gradient.size();
    }
  m["gradients"] +=
      4 * (head_gradient_.size() + embedding_gradient_.size() + encoder_.positions_gradient.size() + encoder_.dense.gradient.size());
  auto optimizer = [&](const AdapterSet& s) {
    for (const Parameter& p : s.parameters.all()) m["optimizer"] += 12 * p.size();
  };
  optimizer(base_);
  for (const auto& [name, s] : adapters_) {
    optimizer(*s);
    for (const auto& layer : s->groups)
      for (const lora_matmul::Group& g : layer)
        m["adapter"] += packed(g.a) + packed(g.b), m["gradients"] += 4 * (g.gradient_a.size() + g.gradient_b.size());
  }
  for (const Memory& x : inputs_) m["activations"] += x.bytes();
  for (const Kept& k : kept_) {
    for (const Memory* x :
         {&k.qkv, &k.attended, &k.h, &k.gate_up, &k.lse, &k.inverse1, &k.inverse2, &k.inverse_q, &k.inverse_k, &k.mean1, &k.mean2})
      m["activations"] += x->bytes();
    for (const Memory& x : k.low) m["activations"] += x.bytes();
  }
  for (const Memory* x : {&cos_,
                          &sin_,
                          &normed1_,
                          &normed2_,
                          &act_,
                          &normed_qkv_,
                          &dropped_,
                          &scratch_,
                          &compact_,
                          &compact_normed_,
                          &dx_,
                          &dh_,
                          &dn_,
                          &dattended_,
                          &dqkv_,
                          &dcompact_,
                          &work_,
                          &attention_work_,
                          &head_work_,
                          &encoder_.normed,
                          &encoder_.summed,
                          &encoder_.active,
                          &encoder_.low,
                          &encoder_.d})
    m["workspace"] += x->bytes();
  return m;
}

}  // namespace attune
