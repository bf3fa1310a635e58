// The adapter of a group in terms of matmul: where its ranks lie, which parts of its factors are not zero, and the products that they need.
#include "kernels/lora_matmul/lora_matmul.h"
#include "base/error.h"
#include <algorithm>
#include <string>

namespace attune::lora_matmul {
namespace {

// Steps of R that hold the ranks of a target.
long first_step(const Target& t) { return t.first / 32; }
long end_step(const Target& t) { return (t.first + t.rank + 31) / 32; }
long place(const int* at, long i) { return at ? at[i] : i; }

// The steps of R that each 32 columns of Y need: from the first to the last of the targets that have a column there.
void find_windows(Group& g) {
  g.window.assign(size_t(2 * (g.N / 32)), 0);
  for (const Target& t : g.targets)
    for (long i = 0; t.rank && i < t.columns; i++) {
      uint8_t* w = &g.window[2 * (place(t.column_at, i) / 32)];
      const uint8_t from = uint8_t(first_step(t)), to = uint8_t(end_step(t));
      if (w[0] == w[1]) w[0] = from, w[1] = to;
      w[0] = std::min(w[0], from), w[1] = std::max(w[1], to);
    }
}

// Runs of N whose blocks need the same steps: f(first block, end block, first step, end step). q|k|v in one matrix fall apart into two runs.
template <class F> void for_runs(const Group& g, F&& f) {
  const long blocks = g.N / 32;
  for (long n = 0, end; n < blocks; n = end) {
    for (end = n + 1; end < blocks && g.window[2 * end] == g.window[2 * n] && g.window[2 * end + 1] == g.window[2 * n + 1];) end++;
    if (g.window[2 * n] < g.window[2 * n + 1]) f(n, end, g.window[2 * n], g.window[2 * n + 1]);
  }
}

// The blocks of N that a step of R has numbers in.
struct Blocks {
  long from, to;
  bool operator==(const Blocks&) const = default;
};
Blocks blocks_of_step(const Group& g, long step) {
  Blocks b{g.N / 32, 0};
  for (long n = 0; n < g.N / 32; n++)
    if (step >= g.window[2 * n] && step < g.window[2 * n + 1]) b.from = std::min(b.from, n), b.to = n + 1;
  return b;
}

Ints counted(long first, long count) {
  Ints at(count);
  for (long i = 0; i < count; i++) at[i] = int(first + i);
  return at;
}

matmul::Product half_product(const Group& g, const void* x, long columns, long from, void* c) {
  matmul::Product p{};
  p.a = x, p.a_columns = columns, p.a_from = from, p.c = c, p.c_columns = g.R, p.finish = matmul::Finish::store_scaled, p.scale = g.scale;
  return p;
}

// 32-column blocks of a gradient task. Each task turns its own copy of P's 32 columns (150 cycles a block of tokens on tiles, where a product of one
// column block takes 64 and the fetch of its operand from L3 244): nine make that 5 %, and a hidden size of 576 still gives two tasks a product.
constexpr long kTaskBlocks = 9;

}  // namespace

void prepare(Group& g, DType dtype, bool trainable) {
  long ranks = 0;
  for (Target& t : g.targets) t.first = ranks, ranks += t.rank;
  g.R = round32(ranks);
  if (g.R / 32 > 255) throw Error("adapter_shape", "[lora_matmul] ranks of one group: expected at most 8160, got " + std::to_string(ranks));
  matmul::allocate(g.a, dtype, g.R, g.K, trainable), matmul::allocate(g.b, dtype, g.N, g.R, trainable);
  g.gradient_a.assign(trainable ? size_t(g.R) * g.K : 0, 0.f), g.gradient_b.assign(trainable ? size_t(g.R) * g.N : 0, 0.f);
  find_windows(g);
}

void pack(Group& g, int target, const float* A, const float* B) {
  const Target& t = g.targets[target];
  if (!t.rank) return;
  const Ints ranks = counted(t.first, t.rank);
  matmul::pack(g.a, {A, Stored::f32, t.rank, g.inputs, ranks.data(), g.input_at}, 0, t.rank);
  matmul::pack(g.b, {B, Stored::f32, t.columns, t.rank, t.column_at, ranks.data()}, 0, t.columns);
}

void gradient(const Group& g, int target, float* dA, float* dB) {
  const Target& t = g.targets[target];
  for (long r = 0; r < t.rank; r++)
    for (long k = 0; k < g.inputs; k++) dA[r * g.inputs + k] += g.gradient_a[rows_index(t.first + r, place(g.input_at, k), g.K)];
  for (long n = 0; n < t.columns; n++)
    for (long r = 0; r < t.rank; r++) dB[n * t.rank + r] += g.gradient_b[rows_index(t.first + r, place(t.column_at, n), g.N)];
}

void down(const Group& g, const void* x, long columns, long from, void* P, long first, long last, float* workspace) {
  matmul::Product p = half_product(g, x, columns, from, P);
  p.w = &g.a;
  matmul::rows(p, first, last, workspace);
}

// B is zero where a target's columns meet another's ranks: each step of R contracts only the columns that need it.
void down_backward(const Group& g, const void* dy, long columns, long from, void* dP, long first, long last, float* workspace) {
  matmul::Product p = half_product(g, dy, columns, from, dP);
  p.w = &g.b, p.transposed = true;
  for (long step = 0, end; step < g.R / 32; step = end) {
    const Blocks n = blocks_of_step(g, step);
    for (end = step + 1; end < g.R / 32 && blocks_of_step(g, end) == n;) end++;
    p.column_from = step * 32, p.column_count = (end - step) * 32, p.contract_from = n.from * 32, p.contract_count = (n.to - n.from) * 32;
    matmul::rows(p, first, last, workspace);
  }
}

matmul::LowRank forward_term(const Group& g, const void* P) { return {P, &g.b, false, g.window.data()}; }
matmul::LowRank backward_term(const Group& g, const void* dP) { return {dP, &g.a, true, nullptr}; }

void gradient_tasks(Group& g, const void* x, long x_columns, long x_from, const void* dP, const void* P, const void* dy, long dy_columns,
                    long dy_from, long M, std::vector<GradientTask>& out) {
  auto split = [&](const matmul::Contract& c, long from, long to) {
    for (long k = from; k < to; k += kTaskBlocks) out.push_back({c, k, std::min(to, k + kTaskBlocks)});
  };
  split({dP, g.R, 0, g.R, x, x_columns, x_from, g.K, M, g.a.dtype, g.gradient_a.data()}, 0, g.K / 32);
  for_runs(g, [&](long n, long end, long s0, long s1) {
    split({P, g.R, s0 * 32, (s1 - s0) * 32, dy, dy_columns, dy_from, g.N, M, g.b.dtype, g.gradient_b.data() + s0 * 32 * g.N}, n, end);
  });
}

}  // namespace attune::lora_matmul
