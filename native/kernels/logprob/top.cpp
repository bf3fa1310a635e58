// The K likeliest ids of each row: checks, blocks of rows shared out, and logits to log-probabilities.
#include "base/error.h"
#include "kernels/logprob/arena.h"
#include "kernels/logprob/candidates.h"
#include "kernels/logprob/passes.h"
#include <cmath>

namespace attune::logprob {
namespace {

struct Layout {
  Cut cut;
  long rows, blocks;
  struct Thread {
    float *product, *limit;
  };
  std::vector<Thread> thread;
  size_t bytes;

  Layout(const Top& t, int threads, char* at) : cut(logprob::cut(t.f.head->dtype, t.f.head->K)) {
    Arena arena(at);
    rows = top_rows(t.f.R, t.K, cut.rows, threads, cpu::l2_bytes()), blocks = (t.f.R + rows - 1) / rows;
    for (int i = 0; i < threads; i++) {
      float* product = arena.take<float>(long(product_floats(cut.logits)));
      thread.push_back({product, arena.take<float>(rows)});
    }
    bytes = arena.bytes();
  }
};

void check(const Top& t) {
  if (t.K < 1 || t.K > std::min(t.f.V, kTopMost))
    throw Error("kernel_arguments", "[logprob] topK: expected 1 to the vocabulary's size and 4096 at most, got " + std::to_string(t.K));
}

void of_blocks(const Table& table, Team& team, const Top& t, char* workspace) {
  const Layout l(t, team.size(), workspace);
  team.tasks(l.blocks, [&](long block, int thread) {
    const long m = block * l.rows, rows = std::min(l.rows, t.f.R - m);
    const Logits z = logits(t.f, l.cut, m, rows, 0, t.f.head->N);
    table.likeliest({z, t.K, t.ids + m * t.K, t.logprob + m * t.K, l.thread[thread].limit}, l.thread[thread].product);
  });
}

// Numbers that cannot be compared were not ordered.
void finish(const Top& t, long m) {
  const float lse = t.f.lse[m];
  int* ids = t.ids + m * t.K;
  float* logprob = t.logprob + m * t.K;
  for (long k = 0; k < t.K; k++)
    if (std::isfinite(lse))
      logprob[k] -= lse;
    else
      ids[k] = int(k), logprob[k] = NAN;
}

}  // namespace

size_t top_bytes(const Top& t, int threads) { return table() && t.f.R ? Layout(t, threads, nullptr).bytes : 64; }

void top(Team& team, const Top& t, char* workspace) {
  check(t);
  if (t.f.R == 0) return;
  if (const Table* of = table())
    of_blocks(*of, team, t, workspace);
  else
    top_reference(team, t);
  team.tasks(t.f.R, [&](long m, int) { finish(t, m); });
}

}  // namespace attune::logprob
