// Checks, puts candidates in the order of their ids, and shares out what a variant does with them: panels of the head, or blocks of its columns.
#include "kernels/logprob/candidates.h"
#include "base/error.h"
#include "cpu/guard.h"
#include "kernels/logprob/passes.h"
#include <climits>
#include <cmath>
#include <vector>

namespace attune::logprob {
namespace {

void check(const Candidates& c) {
  const auto fail = [](const char* message) { throw Error("kernel_arguments", std::string("[logprob] candidates: ").append(message)); };
  if (c.f.R * c.K > INT_MAX) fail("expected fewer than 2^31 ids");
  for (long i = 0; i < c.f.R * c.K; i++)
    if (c.ids[i] < 0 || c.ids[i] >= c.f.V) fail("expected ids below V");
}

// By counting: R K + V steps.
struct Sorted {
  Ints start;
  std::vector<Entry> entry;
  ById by_id;

  explicit Sorted(const Candidates& c) : start(c.f.head->N + 2), entry(c.f.R * c.K) {
    const matmul::Weights& w = *c.f.head;
    for (size_t i = 0; i < entry.size(); i++) start[c.ids[i] + 2]++;
    for (long v = 1; v <= w.N; v++) start[v + 1] += start[v];
    // start[v + 1] is the first of id v, and the first of id v + 1 when all of v have their place.
    for (long m = 0, i = 0; m < c.f.R; m++)
      for (long k = 0; k < c.K; k++, i++) entry[start[c.ids[i] + 1]++] = {int(m), int(i)};
    by_id = {w.dtype, w.forward.as<void>(), c.f.hidden, w.N, w.K, c.f.R, start.data(), entry.data()};
  }
};

// What stands in logprob is the product with the head.
void finish(const Candidates& c, long m) {
  for (long i = m * c.K; i < (m + 1) * c.K; i++) {
    double z = c.logprob[i];
    if (c.f.bias) z += c.f.bias[c.ids[i]];
    if (c.f.softcap > 0) z = c.f.softcap * std::tanh(z / c.f.softcap);
    c.logprob[i] = float(z - c.f.lse[m]);
  }
}

// d loss / d (the logit before the softcap) of candidate i.
float slope(const Candidates& c, long i, float g) {
  if (c.f.softcap == 0) return g;
  const double y = (double(c.logprob[i]) + c.f.lse[i / c.K]) / c.f.softcap;
  return float(g * (1 - y * y));
}

void add_terms(const Table& t, Team& team, const Backward& b, const Candidates& c, const float* slope) {
  const Sorted sorted(c);
  const long R = c.f.R, N = c.f.head->N, H = c.f.head->K;
  Floats sums(team.size() * R * 32);
  team.tasks(H / 32, [&](long block, int thread) { t.add_to_hidden(sorted.by_id, slope, block, b.dhidden, &sums[thread * R * 32]); });
  if (b.dweight) team.tasks(N / 32, [&](long panel, int) { t.add_to_weights(sorted.by_id, slope, panel, b.dweight); });
}

}  // namespace

void candidates(Team& team, const Candidates& c) {
  check(c);
  if (c.f.R * c.K == 0) return;
  const Table* t = table();
  if (!t) return candidates_reference(team, c);
  const Sorted sorted(c);
  const long H = c.f.head->K;
  Floats row(team.size() * H);
  team.tasks(c.f.head->N / 32, [&](long panel, int thread) { t->products(sorted.by_id, panel, c.logprob, &row[thread * H]); });
  team.tasks(c.f.R, [&](long m, int) { finish(c, m); });
}

void candidates_backward(Team& team, const Backward& b, const Candidates& c, const float* g, char* workspace) {
  check(c);
  const long R = c.f.R;
  Floats slopes(R * c.K), g_lse(R);
  for (long m = 0; m < R; m++) {
    double sum = b.g_lse ? b.g_lse[m] : 0;
    for (long i = m * c.K; i < (m + 1) * c.K; i++) sum -= g[i], slopes[i] = slope(c, i, g[i]);
    g_lse[m] = float(sum);
  }
  Backward with = b;
  with.g_lse = g_lse.data();
  backward(team, with, workspace);
  if (slopes.empty()) return;
  if (const Table* t = table())
    add_terms(*t, team, b, c, slopes.data());
  else
    candidate_terms_reference(team, b, c, slopes.data());
  for (long i = 0; b.dbias && i < R * c.K; i++) b.dbias[c.ids[i]] += slopes[i];
}

}  // namespace attune::logprob
