// The forward pass: tasks of one block of rows and one part of the vocabulary each, then the parts of each row folded in order.
#include "kernels/logprob/arena.h"
#include "kernels/logprob/passes.h"
#include "kernels/logprob/plan.h"
#include <cmath>

namespace attune::logprob {
namespace {

struct Layout {
  Cut cut;
  long rows, blocks, parts;
  Partial* partial;  // (parts, R)
  float* target;     // (R,)
  struct Thread {
    float *product, *lanes;
  };
  std::vector<Thread> thread;
  size_t bytes;

  Layout(const Forward& f, int threads, char* at) : cut(logprob::cut(f.head->dtype, f.head->K)) {
    Arena arena(at);
    rows = even_rows(f.R, cut.rows, threads), blocks = (f.R + rows - 1) / rows, parts = (f.head->N + kPart - 1) / kPart;
    partial = arena.take<Partial>(parts * f.R), target = arena.take<float>(f.R);
    for (int i = 0; i < threads; i++) {
      float* product = arena.take<float>(product_floats(cut.logits));
      thread.push_back({product, arena.take<float>(lanes_floats(rows))});
    }
    bytes = arena.bytes();
  }
};

Lanes lanes(float* at, long rows) {
  float *sum = at, *dot = sum + 16 * rows, *level = dot + 16 * rows, *minus = level + 16 * rows;
  return {minus, minus + rows, sum, dot, level};
}

// 2^reference sum over all parts, ascending. In double: a row has few parts.
void fold(const Forward& f, const Layout& l, long m) {
  const double scale = kLog2e;
  const auto part = [&](long p) -> const Partial& { return l.partial[p * f.R + m]; };
  double top = part(0).reference, sum = 0, dot = 0, level = 0;
  for (long p = 1; p < l.parts; p++) top = std::fmax(top, part(p).reference);
  for (long p = 0; p < l.parts; p++) {
    const double shift = part(p).reference - top, factor = std::exp2(shift);
    sum += part(p).sum * factor, dot += (part(p).dot + part(p).sum * shift) * factor, level += part(p).level;
  }
  const double lse = (top + std::log2(sum)) / scale;
  f.lse[m] = float(lse), f.logprob[m] = float(l.target[m] - lse);
  if (f.entropy) f.entropy[m] = float((std::log2(sum) - dot / sum) / scale);
  if (f.mean) f.mean[m] = float(level / double(f.V));
}

}  // namespace

size_t forward_pass_bytes(const Forward& f, int threads) { return Layout(f, threads, nullptr).bytes; }

void forward_passes(const Table& t, Team& team, const Forward& f, char* workspace) {
  const Layout l(f, team.size(), workspace);
  // Part by part: all blocks pass a part's panels before the next part comes from memory.
  team.tasks(l.blocks * l.parts, [&](long task, int thread) {
    const long part = task / l.blocks, m = task % l.blocks * l.rows, v = part * kPart;
    ForwardPart p;
    p.logits = logits(f, l.cut, m, std::min(l.rows, f.R - m), v, std::min(kPart, f.head->N - v));
    p.all = f.entropy || f.mean;
    p.lanes = lanes(l.thread[thread].lanes, l.rows);
    p.partial = l.partial + part * f.R + m, p.target = l.target + m;
    t.forward_part(p, l.thread[thread].product);
  });
  team.rows(f.R, [&](long first, long last, int) {
    for (long m = first; m < last; m++) fold(f, l, m);
  });
}

}  // namespace attune::logprob
