// How much memory a run takes, as planned and as measured.
#include "cpu/features.h"
#include "transformer/cpu/cpu_engine.h"
#include <algorithm>

namespace attune {
namespace {

// Numbers of all matrices: of the linear layers, which may be packed twice, and of the embeddings and the vocabulary.
struct Counted {
  double linear = 0, tables = 0;
};
Counted count(const Network& n, const Axes& a) {
  Counted c;
  for (const NetworkTensor& t : n.tensors)
    for (const Place p : t.places) {
      const Extent e = extent(n, p, t.bias);
      if (!e.columns) continue;
      const bool head = p == Place::query || p == Place::key || p == Place::value;
      const double heads = p == Place::query ? double(a.Q) : double(n.kv_heads * a.D);
      const double rows = head ? heads : double(round32(e.rows)), columns = p == Place::output ? double(a.Q) : double(round32(e.columns));
      const bool table = p == Place::words || p == Place::positions || p == Place::types || p == Place::vocabulary;
      (table ? c.tables : c.linear) += rows * columns;
    }
  return c;
}

// Bytes a token of what a layer keeps, of what the layers share, and of gradients.
struct PerToken {
  double kept = 0, shared = 0;
};
PerToken per_token(const Network& n, const Axes& a, double b) {
  PerToken t;
  const BufferList list = buffer_list(n);
  for (int i = 0; i < list.count; i++) {
    const double bytes = b * double(a.of(list.all[i].width));
    switch (list.all[i].life) {
      case Life::in:
      case Life::kept:
        t.kept += bytes;
        break;
      case Life::head:
      case Life::head_back:
        break;  // of the rows with a target: at most as many, and less wide
      case Life::head_norms:
        t.shared += n.head_norms() ? bytes : 0;
        break;
      default:
        t.shared += bytes;
    }
  }
  t.kept += 4.0 * double(n.heads + 2);
  return t;
}

}  // namespace

MemoryPlan plan_memory(const Network& n, const Options& o, const Workload& w) {
  const Axes a(n);
  const double b = double(bytes_of(o.dtype)), L = double(n.layers);
  const Counted c = count(n, a);
  // AMX reads a weight in one direction alone: those that are read both ways are packed twice.
  const bool trained = o.train != Train::none, twice = trained && o.dtype == DType::bf16 && cpu::best() == cpu::Isa::amx;
  MemoryPlan p;
  p.fixed = c.linear * b * (twice ? 2 : 1) + c.tables * b;
  if (o.train == Train::all) p.fixed += 16 * (c.linear + c.tables);  // fp32 master, gradient, two moments
  if (w.rank) {
    const double R = double(round32(3 * w.rank)) + 2 * round32(w.rank) + round32((n.gated ? 2 : 1) * w.rank);  // q|k|v, o, down, gate|up
    const double width = double(a.C + 2 * a.H + a.Q + a.U + a.I + a.H);
    p.fixed += L * R / 4 * width * (4 * b + (trained ? 16 : 0));
  }
  // Buffers of a pass stay for the next one, so those that training and rollouts share are as large as the larger of both.
  const PerToken t = per_token(n, a, b);
  const double M = double(round32(w.tokens)), widest = w.answers ? std::max(M, double(round32(w.prefill))) : M;
  const double kept = !trained ? 0 : o.recompute ? L * b * a.H : (L - 1) * t.kept;
  p.activations = widest * (t.kept + t.shared + 3 * b * a.H + 8.0 * a.D) + M * kept;  // rows of the head, rotary tables
  if (w.answers) p.cache = cache_bytes(n, a, o.dtype, w.pages) + 4.0 * double(w.answers) * double(n.vocabulary);
  return p;
}

std::map<std::string, size_t> CpuEngine::memory() const {
  std::map<std::string, size_t> m;
  const_cast<Weights&>(weights_).each([&](const auto& part) {
    if constexpr (std::is_same_v<decltype(part), const Matrix&>) m["weights"] += part.w.forward.bytes() + part.w.backward.bytes();
    m["gradients"] += 4 * part.gradient.size();
  });
  sets_.add_memory(m), pass_.add_memory(m);
  m["workspace"] += head_work_.bytes() + 4 * choice_logits_.capacity();
  return m;
}

}  // namespace attune
