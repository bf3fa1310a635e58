// Plain C++ for every machine: it runs once per token of a sequence, after products with a hundred times its work.
#include "kernels/sample/sample.h"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace attune::sample {
namespace {

struct Candidate {
  int id;
  double p;  // exp(score - highest score): not yet divided by a sum
};
bool likelier(const Candidate& a, const Candidate& b) { return a.p > b.p || (a.p == b.p && a.id < b.id); }

double total(const std::vector<Candidate>& c) {
  return std::accumulate(c.begin(), c.end(), 0.0, [](double s, const Candidate& x) { return s + x.p; });
}

// log softmax(logits / temperature) of `id`.
float logprob(const float* logits, long V, float temperature, int id) {
  const double scale = temperature > 0 ? 1 / double(temperature) : 1, top = *std::max_element(logits, logits + V);
  double sum = 0;
  for (long i = 0; i < V; i++) sum += std::exp((logits[i] - top) * scale);
  return float((logits[id] - top) * scale - std::log(sum));
}

std::vector<float> scores(const float* logits, long V, const Options& o) {
  std::vector<float> z(logits, logits + V);
  if (o.repetition_penalty != 1)
    for (long i = 0; i < o.seen_count; i++) {
      const float x = logits[o.seen[i]];  // from the logits: an id that was seen twice is penalised once
      z[o.seen[i]] = x < 0 ? x * o.repetition_penalty : x / o.repetition_penalty;
    }
  if (o.temperature > 0)
    for (float& x : z) x /= o.temperature;
  return z;
}

void top_k(std::vector<float> z, long k, std::vector<Candidate>& c, const std::vector<float>& score) {
  if (k <= 0 || k >= long(z.size())) return;
  std::nth_element(z.begin(), z.begin() + (k - 1), z.end(), std::greater<float>());
  const float least = z[k - 1];
  c.erase(std::remove_if(c.begin(), c.end(), [&](const Candidate& x) { return score[x.id] < least; }), c.end());
}

void top_p(std::vector<Candidate>& c, double p) {
  if (p >= 1) return;
  const double most = p * total(c);
  std::sort(c.begin(), c.end(), likelier);
  size_t kept = 1;
  for (double before = c[0].p; kept < c.size() && before < most; kept++) before += c[kept].p;
  c.resize(kept);
  std::sort(c.begin(), c.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

// The highest probability is that of score `highest`, p = 1.
void min_p(std::vector<Candidate>& c, double least) {
  if (least <= 0) return;
  c.erase(std::remove_if(c.begin(), c.end(), [&](const Candidate& x) { return x.p < least && x.p < 1; }), c.end());
}

}  // namespace

Choice run(const float* logits, long V, const Options& o) {
  const float* nan = std::find_if(logits, logits + V, [](float x) { return std::isnan(x); });
  if (nan != logits + V) return {int(nan - logits), NAN};
  if (*std::max_element(logits, logits + V) == -INFINITY) return {0, NAN};
  const std::vector<float> z = scores(logits, V, o);
  const long best = std::max_element(z.begin(), z.end()) - z.begin();
  if (!(o.temperature > 0) || std::isinf(z[best])) return {int(best), logprob(logits, V, o.temperature, int(best))};

  std::vector<Candidate> c(V);
  for (long i = 0; i < V; i++) c[i] = {int(i), std::exp(double(z[i]) - double(z[best]))};
  top_k(z, o.top_k, c, z);
  top_p(c, o.top_p);
  min_p(c, o.min_p);
  const double at = o.unit * total(c);
  double sum = 0;
  int id = int(best);
  for (const Candidate& x : c) {
    if (x.p > 0) id = x.id;  // the last possible one where rounding lets the sum end below `at`
    if ((sum += x.p) > at) break;
  }
  return {id, logprob(logits, V, o.temperature, id)};
}

}  // namespace attune::sample
