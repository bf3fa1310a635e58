// The oracle: one row and one vocabulary entry at a time, in double. Panels of 32 vocabulary rows are unpacked once for all rows.
#include "cpu/guard.h"
#include "kernels/logprob/passes.h"
#include <algorithm>
#include <cmath>

namespace attune::logprob {
namespace {

float number(const void* x, DType t, long i) { return t == DType::f32 ? ((const float*)x)[i] : to_float(((const bf16*)x)[i]); }

// Rows v .. v + rows of W as (rows, H).
Floats entries(const matmul::Weights& w, long v, long rows) {
  Floats out(rows * w.K);
  for (long i = 0; i < rows; i++)
    for (long k = 0; k < w.K; k++) out[i * w.K + k] = matmul::at(w, v + i, k);
  return out;
}
Floats panel(const matmul::Weights& w, long v) { return entries(w, v, 32); }
Floats entry(const matmul::Weights& w, long v) { return entries(w, v, 1); }
Doubles row(const Forward& f, long m) {
  Doubles out(f.head->K);
  for (long k = 0; k < f.head->K; k++) out[k] = number(f.hidden, f.head->dtype, rows_index(m, k, f.head->K));
  return out;
}
// Of entry v, whose weights are w.
double logit(const Forward& f, const Doubles& h, const float* w, long v) {
  double z = f.bias ? f.bias[v] : 0;
  for (size_t k = 0; k < h.size(); k++) z += h[k] * w[k];
  return f.softcap > 0 ? f.softcap * std::tanh(z / f.softcap) : z;
}

// Sums of exp(z - top), of that times z - top, and of z, over the entries seen so far.
struct Online {
  double top = -INFINITY, sum = 0, dot = 0, level = 0, target = 0;
  void add(double z) {
    if (z > top) {
      const double shift = top - z, scale = std::exp(shift);
      dot = sum > 0 ? (dot + sum * shift) * scale : 0, sum *= scale, top = z;
    }
    const double e = std::exp(z - top);
    sum += e, dot += e * (z - top), level += z;
  }
};

// d loss / d (the logit before the softcap) of entry v.
double slope(const Backward& b, long m, long v, double z) {
  const double logp = z - b.f.lse[m], p = std::exp(logp);
  double s = double(b.g[m]) * ((v == b.f.targets[m]) - p);
  if (b.g_lse) s += b.g_lse[m] * p;
  if (b.g_entropy) s -= b.g_entropy[m] * p * (logp + b.f.entropy[m]);
  if (b.g_mean) s += double(b.g_mean[m]) / double(b.f.V);
  if (b.f.softcap > 0) s *= 1 - z / b.f.softcap * (z / b.f.softcap);
  return s;
}

void put_row(const Backward& b, long m, const Doubles& sums) {
  for (size_t k = 0; k < sums.size(); k++) {
    const long i = rows_index(m, long(k), b.f.head->K);
    if (b.f.head->dtype == DType::f32)
      store((float*)b.dhidden + i, float(sums[k]));
    else
      store((bf16*)b.dhidden + i, float(sums[k]));
  }
}

void dhidden_rows(const Backward& b, long first, long last) {
  const long H = b.f.head->K;
  std::vector<Doubles> h, sums;
  for (long m = first; m < last; m++) h.push_back(row(b.f, m)), sums.emplace_back(H);
  for (long v = 0; v < b.f.V; v += 32) {
    const Floats w = panel(*b.f.head, v);
    for (long i = 0; i < 32 && v + i < b.f.V; i++)
      for (long m = first; m < last; m++) {
        const double s = slope(b, m, v + i, logit(b.f, h[m - first], &w[i * H], v + i));
        for (long k = 0; k < H; k++) sums[m - first][k] += s * w[i * H + k];
      }
  }
  for (long m = first; m < round32(last); m++) put_row(b, m, m < last ? sums[m - first] : Doubles(H));
}

void dweight_panel(const Backward& b, long v) {
  const long H = b.f.head->K;
  const Floats w = panel(*b.f.head, v);
  Doubles sums(32 * H), bias(32);
  for (long m = 0; m < b.f.R; m++) {
    const Doubles h = row(b.f, m);
    for (long i = 0; i < 32 && v + i < b.f.V; i++) {
      const double s = slope(b, m, v + i, logit(b.f, h, &w[i * H], v + i));
      bias[i] += s;
      for (long k = 0; k < H; k++) sums[i * H + k] += s * h[k];
    }
  }
  for (long i = 0; i < 32; i++)
    for (long k = 0; k < H; k++) {
      float& to = b.dweight[rows_index(v + i, k, H)];
      to = float(to + sums[i * H + k]);
    }
  for (long i = 0; b.dbias && i < 32; i++) b.dbias[v + i] = float(b.dbias[v + i] + bias[i]);
}

}  // namespace

void forward_reference(Team& team, const Forward& f) {
  team.rows(f.R, [&](long first, long last, int) {
    std::vector<Online> state(last - first);
    std::vector<Doubles> h;
    for (long m = first; m < last; m++) h.push_back(row(f, m));
    for (long v = 0; v < f.V; v += 32) {
      const Floats w = panel(*f.head, v);
      for (long m = first; m < last; m++)
        for (long i = 0; i < 32 && v + i < f.V; i++) {
          const double z = logit(f, h[m - first], &w[i * f.head->K], v + i);
          state[m - first].add(z);
          if (v + i == f.targets[m]) state[m - first].target = z;
        }
    }
    for (long m = first; m < last; m++) {
      const Online& s = state[m - first];
      const double lse = s.top + std::log(s.sum);
      f.lse[m] = float(lse), f.logprob[m] = float(s.target - lse);
      if (f.entropy) f.entropy[m] = float(std::log(s.sum) - s.dot / s.sum);
      if (f.mean) f.mean[m] = float(s.level / double(f.V));
    }
  });
}

void candidates_reference(Team& team, const Candidates& c) {
  team.rows(c.f.R, [&](long first, long last, int) {
    for (long m = first; m < last; m++) {
      const Doubles h = row(c.f, m);
      for (long i = m * c.K; i < (m + 1) * c.K; i++)
        c.logprob[i] = float(logit(c.f, h, entry(*c.f.head, c.ids[i]).data(), c.ids[i]) - c.f.lse[m]);
    }
  });
}

void candidate_terms_reference(Team& team, const Backward& b, const Candidates& c, const float* slope) {
  const long H = b.f.head->K;
  team.rows(c.f.R, [&](long first, long last, int) {
    for (long m = first; m < last; m++) {
      Doubles sums(H);
      for (long k = 0; k < H; k++) sums[k] = number(b.dhidden, b.f.head->dtype, rows_index(m, k, H));
      for (long i = m * c.K; i < (m + 1) * c.K; i++) {
        const Floats w = entry(*b.f.head, c.ids[i]);
        for (long k = 0; k < H; k++) sums[k] += double(slope[i]) * w[k];
      }
      put_row(b, m, sums);
    }
  });
  // 32 columns of all ids belong to one thread.
  if (b.dweight)
    team.tasks(H / 32, [&](long block, int) {
      for (long i = 0; i < c.f.R * c.K; i++)
        for (long k = block * 32; k < block * 32 + 32; k++)
          b.dweight[rows_index(c.ids[i], k, H)] += slope[i] * number(b.f.hidden, b.f.head->dtype, rows_index(i / c.K, k, H));
    });
}

void top_reference(Team& team, const Top& t) {
  team.rows(t.f.R, [&](long first, long last, int) {
    for (long m = first; m < last; m++) {
      const Doubles h = row(t.f, m);
      std::vector<std::pair<float, int>> z;  // (- logit, id): in their order
      for (long v = 0; v < t.f.V; v++) z.emplace_back(float(-logit(t.f, h, entry(*t.f.head, v).data(), v)), int(v));
      // Numbers that cannot be compared are not sorted.
      if (std::isfinite(t.f.lse[m])) std::partial_sort(z.begin(), z.begin() + t.K, z.end());
      for (long k = 0; k < t.K; k++) t.ids[m * t.K + k] = z[k].second, t.logprob[m * t.K + k] = -z[k].first;
    }
  });
}

void backward_reference(Team& team, const Backward& b) {
  team.rows(b.f.R, [&](long first, long last, int) { dhidden_rows(b, first, last); });
  if (b.dweight) team.tasks((b.f.V + 31) / 32, [&](long v, int) { dweight_panel(b, v * 32); });
}

}  // namespace attune::logprob
