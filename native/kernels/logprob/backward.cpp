// The backward pass. dhidden: blocks of rows walk over the vocabulary in chunks, slopes of a chunk first, then slopes x weights into fp32 sums that stay
// in L2; the weights' panels are turned on the way, right after the first product has brought them to L2. dweight: a pass of its own, in which a
// chunk of the vocabulary belongs to one thread and all rows walk past it.
#include "kernels/logprob/arena.h"
#include "kernels/logprob/passes.h"

namespace attune::logprob {
namespace {

struct Layout {
  Cut cut;
  bool shared;  // by parts
  long rows, blocks, parts;
  Row* row;     // (R,)
  float* sums;  // shared: (blocks, parts) gradients of a block
  struct Thread {
    float* product;
    void* slope;
    float *total, *part;  // not shared: gradients of a block
  };
  std::vector<Thread> thread;
  size_t bytes;

  Layout(const Backward& b, int threads, char* at) : cut(logprob::cut(b.f.head->dtype, b.f.head->K)) {
    Arena arena(at);
    const long R = b.f.R, H = b.f.head->K, size = bytes_of(b.f.head->dtype);
    parts = (b.f.head->N + kPart - 1) / kPart, shared = by_parts(R, parts, threads);
    rows = even_rows(R, cut.gradient_rows, shared ? 1 : threads), blocks = (R + rows - 1) / rows;
    row = arena.take<Row>(R);
    sums = shared ? arena.take<float>(blocks * parts * rows * H) : nullptr;
    const long slope_rows = std::max(rows, b.dweight ? std::min(kWeightRows, round32(R)) : 0);
    const size_t scratch = std::max(product_floats(cut.logits), product_floats(cut.gradient));
    for (int i = 0; i < threads; i++) {
      Thread t;
      t.product = arena.take<float>(scratch), t.slope = arena.take<char>(slope_rows * cut.chunk * size);
      t.total = shared ? nullptr : arena.take<float>(rows * H);
      t.part = shared || parts == 1 ? nullptr : arena.take<float>(rows * H);
      thread.push_back(t);
    }
    bytes = arena.bytes();
  }
};

// One pass in progress.
struct Pass {
  const Table& table;
  const Backward& b;
  const Layout& l;
  const matmul::Weights& head = *b.f.head;

  bool all() const { return b.g_entropy || b.g_mean; }
  long block_rows(long block) const { return std::min(l.rows, b.f.R - block * l.rows); }

  void slopes(long m, long rows, long v, long columns, const Layout::Thread& t) const {
    table.slopes({logits(b.f, l.cut, m, rows, v, columns), all(), l.row + m, t.slope}, t.product);
  }
  // Slopes of columns v .. v + columns times those rows of the weights.
  void accumulate(long rows, long v, long columns, bool fresh, float* sums, const Layout::Thread& t) const {
    const long steps = head.K / 32;
    const void* at = head.forward.as<char>() + v * head.K * bytes_of(head.dtype);
    const matmul::Panels turned{at, head.K, columns / 32, 1, steps, true};
    table.accumulate({head.dtype, t.slope, rows, turned, l.cut.gradient, sums, fresh}, t.product);
  }
  // What a part of the vocabulary adds to the gradient of a block of rows.
  void part(long block, long part, float* sums, const Layout::Thread& t) const {
    const long end = std::min(head.N, (part + 1) * kPart);
    for (long v = part * kPart; v < end; v += l.cut.chunk) {
      const long columns = std::min(l.cut.chunk, end - v);
      slopes(block * l.rows, block_rows(block), v, columns, t);
      accumulate(block_rows(block), v, columns, v == part * kPart, sums, t);
    }
  }
  void add(long block, float* to, const float* from) const { table.add(to, from, round32(block_rows(block)) * head.K); }
  void finish(long block, const float* sums) const {
    char* out = static_cast<char*>(b.dhidden) + block * l.rows * head.K * bytes_of(head.dtype);
    table.finish(head.dtype, sums, head.K, block_rows(block), out);
  }

  void by_rows(Team& team) const {
    team.tasks(l.blocks, [&](long block, int thread) {
      const Layout::Thread& t = l.thread[thread];
      part(block, 0, t.total, t);
      for (long p = 1; p < l.parts; p++) part(block, p, t.part, t), add(block, t.total, t.part);
      finish(block, t.total);
    });
  }
  void by_parts(Team& team) const {
    const auto sums = [&](long block, long p) { return l.sums + (block * l.parts + p) * l.rows * head.K; };
    team.tasks(l.blocks * l.parts, [&](long task, int thread) {
      part(task / l.parts, task % l.parts, sums(task / l.parts, task % l.parts), l.thread[thread]);
    });
    team.tasks(l.blocks, [&](long block, int) {
      for (long p = 1; p < l.parts; p++) add(block, sums(block, 0), sums(block, p));
      finish(block, sums(block, 0));
    });
  }
  void weights(Team& team) const {
    team.tasks((head.N + l.cut.chunk - 1) / l.cut.chunk, [&](long chunk, int thread) {
      const long v = chunk * l.cut.chunk, columns = std::min(l.cut.chunk, head.N - v), H = head.K;
      for (long m = 0; m < b.f.R; m += kWeightRows) {
        const long rows = std::min(kWeightRows, b.f.R - m);
        slopes(m, rows, v, columns, l.thread[thread]);
        const void* hidden = static_cast<const char*>(b.f.hidden) + m * H * bytes_of(head.dtype);
        matmul::contract({l.thread[thread].slope, columns, 0, columns, hidden, H, 0, H, rows, head.dtype, b.dweight + v * H}, 0, H / 32);
        if (b.dbias) matmul::column_sums(l.thread[thread].slope, head.dtype, rows, columns, 0, columns, b.dbias + v);
      }
    });
  }
};

Row row(const Backward& b, long m) {
  Row r{};
  r.lse = b.f.lse[m], r.base = r.lse * kLog2e, r.g = b.g[m], r.a = -r.g;
  if (b.g_lse) r.a += b.g_lse[m];
  if (b.g_entropy) r.e = b.g_entropy[m], r.a -= r.e * b.f.entropy[m];
  if (b.g_mean) r.b = float(double(b.g_mean[m]) / double(b.f.V));
  return r;
}

}  // namespace

size_t backward_pass_bytes(const Backward& b, int threads) { return Layout(b, threads, nullptr).bytes; }

void backward_passes(const Table& table, Team& team, const Backward& b, char* workspace) {
  const Layout l(b, team.size(), workspace);
  for (long m = 0; m < b.f.R; m++) l.row[m] = row(b, m);
  const Pass pass{table, b, l};
  l.shared ? pass.by_parts(team) : pass.by_rows(team);
  if (b.dweight) pass.weights(team);
}

}  // namespace attune::logprob
