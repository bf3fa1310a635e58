// The K likeliest ids of each row: logits of 32 rows at a time, then a partial sort of each.
#include "base/error.h"
#include "kernels/logprob/arena.h"
#include "kernels/logprob/candidates.h"
#include <cmath>
#include <numeric>
#include <vector>

namespace attune::logprob {
namespace {

struct Scratch {
  float *product, *logits;  // logits (32, V)
  int* order;               // (V,)
};

Scratch take(Arena& arena, const Top& t) {
  float* product = arena.take<float>(long(matmul::workspace_floats()));
  float* logits = arena.take<float>(32 * t.f.V);
  return {product, logits, arena.take<int>(t.f.V)};
}

void check(const Top& t) {
  if (t.K < 1 || t.K > std::min(t.f.V, kTopMost))
    throw Error("kernel_arguments", "[logprob] topK: expected 1 to the vocabulary's size and 4096 at most, got " + std::to_string(t.K));
}

// Row m, whose products with the vocabulary are z (V,).
void of_row(const Top& t, long m, float* z, int* order) {
  const float lse = t.f.lse[m];
  for (long v = 0; t.f.bias && v < t.f.V; v++) z[v] += t.f.bias[v];
  for (long v = 0; t.f.softcap > 0 && v < t.f.V; v++) z[v] = float(t.f.softcap * std::tanh(double(z[v]) / t.f.softcap));
  std::iota(order, order + t.f.V, 0);
  // Numbers that cannot be compared are not sorted.
  const bool finite = std::isfinite(lse);
  if (finite) std::partial_sort(order, order + t.K, order + t.f.V, [z](int a, int b) { return z[a] != z[b] ? z[a] > z[b] : a < b; });
  for (long k = 0; k < t.K; k++) t.ids[m * t.K + k] = order[k], t.logprob[m * t.K + k] = finite ? z[order[k]] - lse : NAN;
}

void of_block(const Top& t, long first, long rows, const Scratch& s) {
  const long H = t.f.head->K;
  matmul::Product p{};
  p.a = static_cast<const char*>(t.f.hidden) + first * H * bytes_of(t.f.head->dtype), p.a_columns = H, p.w = t.f.head;
  p.finish = matmul::Finish::store_float, p.c = s.logits, p.scale = 1, p.logical_columns = t.f.V;
  matmul::rows(p, 0, rows, s.product);
  for (long r = 0; r < rows; r++) of_row(t, first + r, s.logits + r * t.f.V, s.order);
}

}  // namespace

size_t top_bytes(const Top& t, int threads) {
  Arena arena(nullptr);
  for (int i = 0; i < threads; i++) take(arena, t);
  return arena.bytes();
}

void top(Team& team, const Top& t, char* workspace) {
  check(t);
  Arena arena(workspace);
  std::vector<Scratch> scratch;
  for (int i = 0; i < team.size(); i++) scratch.push_back(take(arena, t));
  team.rows(t.f.R, [&](long first, long last, int thread) {
    for (long m = first; m < last; m += 32) of_block(t, m, std::min(32L, last - m), scratch[thread]);
  });
}

}  // namespace attune::logprob
