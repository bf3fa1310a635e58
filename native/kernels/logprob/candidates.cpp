// Plain loops for all instruction sets: K of V entries are a small share of the products that logprob does beside them.
#include "kernels/logprob/candidates.h"
#include "base/error.h"
#include <cmath>
#include <vector>

namespace attune::logprob {
namespace {

float number(const void* x, DType t, long i) {
  return t == DType::f32 ? static_cast<const float*>(x)[i] : to_float(static_cast<const bf16*>(x)[i]);
}

void check(const Candidates& c) {
  for (long i = 0; i < c.f.R * c.K; i++)
    if (c.ids[i] < 0 || c.ids[i] >= c.f.V) throw Error("kernel_arguments", "[logprob] candidates: expected ids below V");
}

// d loss / d (the logit before the softcap) of candidate i.
float slope(const Candidates& c, long i, float g) {
  if (c.f.softcap == 0) return g;
  const double y = (double(c.logprob[i]) + c.f.lse[i / c.K]) / c.f.softcap;
  return float(g * (1 - y * y));
}

void add_to_row(const Backward& b, const Candidates& c, const float* slopes, long m) {
  const matmul::Weights& w = *b.f.head;
  for (long h = 0; h < w.K; h++) {
    const long i = rows_index(m, h, w.K);
    double sum = number(b.dhidden, w.dtype, i);
    for (long k = 0; k < c.K; k++) sum += double(slopes[m * c.K + k]) * matmul::at(w, c.ids[m * c.K + k], h);
    if (w.dtype == DType::f32)
      store(static_cast<float*>(b.dhidden) + i, float(sum));
    else
      store(static_cast<bf16*>(b.dhidden) + i, float(sum));
  }
}

// Columns h .. h + 32 of the weights: one thread owns them, whatever ids repeat.
void add_to_weights(const Backward& b, const Candidates& c, const float* slopes, long h) {
  const long H = b.f.head->K;
  for (long i = 0; i < c.f.R * c.K; i++)
    for (long j = h; j < h + 32; j++)
      b.dweight[rows_index(c.ids[i], j, H)] += slopes[i] * number(b.f.hidden, b.f.head->dtype, rows_index(i / c.K, j, H));
}

}  // namespace

void candidates(Team& team, const Candidates& c) {
  check(c);
  const matmul::Weights& w = *c.f.head;
  team.rows(c.f.R, [&](long first, long last, int) {
    for (long i = first * c.K; i < last * c.K; i++) {
      const long m = i / c.K, v = c.ids[i];
      double z = c.f.bias ? c.f.bias[v] : 0;
      for (long h = 0; h < w.K; h++) z += double(number(c.f.hidden, w.dtype, rows_index(m, h, w.K))) * matmul::at(w, v, h);
      if (c.f.softcap > 0) z = c.f.softcap * std::tanh(z / c.f.softcap);
      c.logprob[i] = float(z - c.f.lse[m]);
    }
  });
}

void candidates_backward(Team& team, const Backward& b, const Candidates& c, const float* g, char* workspace) {
  check(c);
  const long R = c.f.R;
  std::vector<float> slopes(R * c.K), g_lse(R);
  for (long m = 0; m < R; m++) {
    double sum = b.g_lse ? b.g_lse[m] : 0;
    for (long i = m * c.K; i < (m + 1) * c.K; i++) sum -= g[i], slopes[i] = slope(c, i, g[i]);
    g_lse[m] = float(sum);
  }
  Backward with = b;
  with.g_lse = g_lse.data();
  backward(team, with, workspace);
  team.rows(R, [&](long first, long last, int) {
    for (long m = first; m < last; m++) add_to_row(b, c, slopes.data(), m);
  });
  if (b.dweight) team.tasks(b.f.head->K / 32, [&](long h, int) { add_to_weights(b, c, slopes.data(), h * 32); });
  for (long i = 0; b.dbias && i < R * c.K; i++) b.dbias[c.ids[i]] += slopes[i];
}

}  // namespace attune::logprob
