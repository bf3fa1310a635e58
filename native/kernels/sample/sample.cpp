// Plain C++ for every machine: it runs once per token of a sequence, after products with a hundred times its work.
#include "kernels/sample/sample.h"
#include "cpu/guard.h"
#include <algorithm>
#include <cmath>
#include <cstring>
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

Floats scores(const float* logits, long V, const Options& o) {
  Floats z(logits, logits + V);
  if (o.repetition_penalty != 1)
    for (long i = 0; i < o.seen_count; i++) {
      const float x = logits[o.seen[i]];  // from the logits: an id that was seen twice is penalised once
      z[o.seen[i]] = x < 0 ? x * o.repetition_penalty : x / o.repetition_penalty;
    }
  if (o.temperature > 0)
    for (float& x : z) x /= o.temperature;
  return z;
}

void top_k(Floats z, long k, std::vector<Candidate>& c, const Floats& score) {
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

// e^x of x <= 0 in double, 1e-15 of it, written so that compilers make vectors of it: 2^n of the whole part, and a series of the rest, |r| <= ln 2 / 2.
inline double power(double x) {
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: what is added to it is rounded to a whole number in its last bits
  x = x < -700 ? -700 : x;                       // 1e-304: nothing beside the likeliest, which is 1
  const double shifted = x * 1.4426950408889634 + kRound, n = shifted - kRound;
  const double r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
  double p = 1.0 / 6227020800;
  for (const double c : {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120,
                         1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0})
    p = p * r + c;
  uint64_t bits;
  memcpy(&bits, &shifted, 8);
  bits = (bits + 1023) << 52;  // the last bits of `shifted` are n: its exponent
  double scale;
  memcpy(&scale, &bits, 8);
  return p * scale;
}

// Nothing is cut and nothing penalised: one pass gives the draw and its log-probability. Probabilities are added up in pieces of kPiece ids, so that the
// draw passes over whole pieces first.
constexpr long kPiece = 256;
Choice draw(const float* logits, long V, double temperature, double unit, double top) {
  Doubles p(V), sums;
  const double scale = 1 / temperature;
  for (long i = 0; i < V; i++) p[i] = power((logits[i] - top) * scale);
  double all = 0;
  for (long from = 0; from < V; from += kPiece) {
    double part[4] = {0, 0, 0, 0};
    for (long i = from; i < std::min(V, from + kPiece); i++) part[i & 3] += p[i];
    sums.push_back(part[0] + part[1] + part[2] + part[3]), all += sums.back();
  }
  double before = 0;
  const double at = unit * all;
  size_t piece = 0;
  while (piece + 1 < sums.size() && before + sums[piece] <= at) before += sums[piece++];
  long id = long(piece) * kPiece;
  while (id < V && !(logits[id] > -INFINITY && before + p[id] > at)) before += p[id++];
  // The last possible one where rounding lets the sum end below `at`.
  if (id == V) do
      id--;
    while (logits[id] == -INFINITY);
  return {int(id), float((logits[id] - top) * scale - std::log(all))};
}

}  // namespace

Choice run(const float* logits, long V, const Options& o) {
  const float* nan = std::find_if(logits, logits + V, [](float x) { return std::isnan(x); });
  if (nan != logits + V) return {int(nan - logits), NAN};
  const float top = *std::max_element(logits, logits + V);
  if (top == -INFINITY) return {0, NAN};
  const bool whole = (o.top_k <= 0 || o.top_k >= V) && o.top_p >= 1 && o.min_p <= 0 && (o.repetition_penalty == 1 || o.seen_count == 0);
  if (whole && o.temperature > 0 && top < INFINITY) return draw(logits, V, o.temperature, o.unit, top);
  const Floats z = scores(logits, V, o);
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
