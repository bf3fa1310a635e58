// The pieces, one row and one number at a time.
#include "base/random.h"
#include "transformer/plain/plain_cache.h"
#include <cmath>

namespace attune {
namespace {

// (x - mean) / sqrt(var + eps), or x / sqrt(mean(x^2) + eps), and the factor that was multiplied with.
struct Normed {
  Doubles x;
  double inverse;
  Normed(const double* from, long n, bool centred, double eps) : x(from, from + n) {
    double mean = 0, square = 0;
    for (const double v : x) mean += centred ? v / double(n) : 0;
    for (double& v : x) v -= mean, square += v * v / double(n);
    inverse = 1 / std::sqrt(square + eps);
    for (double& v : x) v *= inverse;
  }
  // dx of dy, both of n numbers; g = w dy.
  void back(const double* g, bool centred, double* dx) const {
    double mean = 0, along = 0;
    const double n = double(x.size());
    for (size_t k = 0; k < x.size(); k++) mean += centred ? g[k] / n : 0, along += g[k] * x[k] / n;
    for (size_t k = 0; k < x.size(); k++) dx[k] = inverse * (g[k] - mean - x[k] * along);
  }
};

double f(swiglu::Activation a, double x) {
  if (a == swiglu::Activation::silu) return x / (1 + std::exp(-x));
  if (a == swiglu::Activation::gelu) return x * (1 + std::erf(x / std::sqrt(2))) / 2;
  return x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))) / 2;
}
double slope(swiglu::Activation a, double x) {
  if (a == swiglu::Activation::silu) return (1 + x * (1 - 1 / (1 + std::exp(-x)))) / (1 + std::exp(-x));
  if (a == swiglu::Activation::gelu) return (1 + std::erf(x / std::sqrt(2))) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
  const double t = std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
  return (1 + t) / 2 + x / 2 * (1 - t * t) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

}  // namespace

void PlainEngine::gather(long rows, int y) {
  const long H = network_.hidden;
  const Doubles& x = at(network_.layers, buffer_list(network_).input);
  for (long r = 0; r < rows; r++) std::copy_n(&x[head_at_[r] * H], H, &at(network_.layers, y)[r * H]);
}

// What logits are divided by.
double PlainEngine::tempered(long i, int which, long row) const {
  return i == network_.layers && which == kLastNorm && row < head_logits_ ? double(forward_.temperature) : 1;
}

void PlainEngine::norm(long rows, long i, int which, int x, int y) {
  const long H = network_.hidden;
  const PlainTensor *w = norm_weight(i, which, false), *b = norm_weight(i, which, true);
  for (long m = 0; m < rows; m++) {
    const Normed n(&at(i, x)[m * H], H, network_.norm == NormKind::layer, network_.eps);
    for (long k = 0; k < H; k++) at(i, y)[m * H + k] = (w->value[k] * n.x[k] + (b ? b->value[k] : 0)) / tempered(i, which, m);
  }
}

void PlainEngine::norm_back(long rows, long i, int which, int x, int dy, int beside, int dx) {
  const long H = network_.hidden;
  const bool centred = network_.norm == NormKind::layer;
  const Doubles& w = norm_weight(i, which, false)->value;
  for (long m = 0; m < rows; m++) {
    Doubles g(H), d(H);
    for (long k = 0; k < H; k++) g[k] = w[k] * at(i, dy)[m * H + k] / tempered(i, which, m);
    Normed(&at(i, x)[m * H], H, centred, network_.eps).back(g.data(), centred, d.data());
    for (long k = 0; k < H; k++) at(i, dx)[m * H + k] = d[k] + (beside == none ? 0 : at(i, beside)[m * H + k]);
  }
}

void PlainEngine::norm_gradient(long i, int which, int x, int dy) {
  const long H = network_.hidden, rows = i == network_.layers ? long(head_at_.size()) : batch_.N();
  PlainTensor *w = norm_weight(i, which, false), *b = norm_weight(i, which, true);
  for (long m = 0; m < rows; m++) {
    const Normed n(&at(i, x)[m * H], H, network_.norm == NormKind::layer, network_.eps);
    for (long k = 0; k < H; k++) {
      const double g = at(i, dy)[m * H + k] / tempered(i, which, m);
      w->gradient[k] += g * n.x[k];
      if (b) b->gradient[k] += g;
    }
  }
}

void PlainEngine::head_norms(long rows, long i, int qkv, int y) {
  const long d = network_.head_size, C = width(Width::qkv), heads = network_.heads;
  at(i, y) = at(i, qkv);
  for (long m = 0; m < rows; m++)
    for (long h = 0; h < heads + network_.kv_heads; h++) {
      const Normed n(&at(i, qkv)[m * C + h * d], d, false, network_.eps);
      const Doubles& w = norm_weight(i, h < heads ? kQueryNorm : kKeyNorm, false)->value;
      for (long k = 0; k < d; k++) at(i, y)[m * C + h * d + k] = w[k] * n.x[k];
    }
}

void PlainEngine::head_norms_back(long i, int qkv, int dqkv) {
  const long d = network_.head_size, C = width(Width::qkv), heads = network_.heads;
  for (long m = 0; m < batch_.N(); m++)
    for (long h = 0; h < heads + network_.kv_heads; h++) {
      const Normed n(&at(i, qkv)[m * C + h * d], d, false, network_.eps);
      PlainTensor* const w = norm_weight(i, h < heads ? kQueryNorm : kKeyNorm, false);
      double* const dy = &at(i, dqkv)[m * C + h * d];
      Doubles g(d);
      for (long k = 0; k < d; k++) w->gradient[k] += dy[k] * n.x[k], g[k] = w->value[k] * dy[k];
      n.back(g.data(), false, dy);
    }
}

// What dropout multiplies input `column` of a low-rank term with (kernels/dropout).
double PlainEngine::mask(long i, int group, long row, long column) const {
  if (!forward_.dropout) return 1;
  const uint32_t limit = uint32_t(float(set_->dropout) * 65536.f + .5f);
  const uint64_t key = keys_[i == network_.layers ? head_at_[row] : row];
  const uint64_t bits = random_bits(forward_.dropout_key * 0x9e3779b97f4a7c15ull ^ key, uint64_t(i * 4 + group), uint64_t(column / 4 * 4));
  return (bits >> (16 * (column % 4)) & 0xffff) < limit ? 0 : double(65536.f / float(65536 - limit));
}

// s A drop(x), and s B^T dy: empty where no adapter sits on the layer.
Doubles PlainEngine::low(const PlainPart& p, long i, int group, const double* x, long row) const {
  const auto found = set_->factors.find(p.name);
  if (found == set_->factors.end()) return {};
  const PlainTensor& A = *found->second[0];
  Doubles sums(A.rows, 0.);
  for (long r = 0; r < A.rows; r++)
    for (long k = 0; k < p.inputs; k++) sums[r] += set_->scale * A.value[r * p.inputs + k] * x[k] * mask(i, group, row, k);
  return sums;
}
Doubles PlainEngine::low_back(const PlainPart& p, const double* dy) const {
  const auto found = set_->factors.find(p.name);
  if (found == set_->factors.end()) return {};
  const PlainTensor& B = *found->second[1];
  Doubles sums(B.columns, 0.);
  for (long n = 0; n < p.outputs; n++)
    for (long r = 0; r < B.columns; r++) sums[r] += set_->scale * dy[p.at + n] * B.value[n * B.columns + r];
  return sums;
}

void PlainEngine::linear_add(long rows, long i, int group, int x, int residual, int y) {
  for (const PlainPart& p : parts(i, group))
    for (long m = 0; m < rows; m++) {
      const double* const row = &at(i, x)[m * p.inputs];
      const Doubles P = low(p, i, group, row, m);
      const long columns = long(at(i, y).size()) / rows;
      for (long n = 0; n < p.outputs; n++) {
        double z = (p.bias ? p.bias->value[n] : 0) + (residual == none ? 0 : at(i, residual)[m * columns + p.at + n]);
        for (long k = 0; k < p.inputs; k++) z += row[k] * p.of(p.weight->value, n, k);
        for (size_t r = 0; r < P.size(); r++) z += P[r] * set_->factors.at(p.name)[1]->value[n * long(P.size()) + long(r)];
        at(i, y)[m * columns + p.at + n] = z;
      }
    }
}

void PlainEngine::linear_back(long rows, long i, int group, int dy, int beside, int dx) {
  if (dx == none) return;
  const std::vector<PlainPart> all = parts(i, group);
  const long K = all[0].inputs, N = rows ? long(at(i, dy).size()) / rows : 0;
  for (long m = 0; m < rows; m++) {
    Doubles d(K, 0.);
    for (const PlainPart& p : all) {
      const double* const g = &at(i, dy)[m * N];
      const Doubles dP = low_back(p, g);
      for (long n = 0; n < p.outputs; n++)
        for (long k = 0; k < K; k++) d[k] += g[p.at + n] * p.of(p.weight->value, n, k);
      for (size_t r = 0; r < dP.size(); r++)
        for (long k = 0; k < K; k++) d[k] += dP[r] * set_->factors.at(p.name)[0]->value[long(r) * K + k] * mask(i, group, m, k);
    }
    for (long k = 0; k < K; k++) at(i, dx)[m * K + k] = d[k] + (beside == none ? 0 : at(i, beside)[m * K + k]);
  }
}

void PlainEngine::linear_gradient(long i, int group, int x, int dy) {
  const long rows = i == network_.layers ? long(head_at_.size()) : batch_.N();
  for (const PlainPart& p : parts(i, group))
    for (long m = 0; m < rows; m++) {
      const double *const row = &at(i, x)[m * p.inputs], *const g = &at(i, dy)[m * (long(at(i, dy).size()) / rows)];
      for (long n = 0; n < p.outputs; n++) {
        for (long k = 0; k < p.inputs; k++) p.of(p.weight->gradient, n, k) += g[p.at + n] * row[k];
        if (p.bias) p.bias->gradient[n] += g[p.at + n];
      }
      const Doubles P = low(p, i, group, row, m), dP = low_back(p, g);
      if (P.empty()) continue;
      const auto& [A, B] = set_->factors.at(p.name);
      const long R = long(P.size());
      for (long r = 0; r < R; r++) {
        for (long k = 0; k < p.inputs; k++) A->gradient[r * p.inputs + k] += dP[r] * row[k] * mask(i, group, m, k);
        for (long n = 0; n < p.outputs; n++) B->gradient[n * R + r] += g[p.at + n] * P[r];
      }
    }
}

// gate | up, or up alone.
void PlainEngine::linear_gated(long rows, long i, int x, int up, int y) {
  linear(rows, i, kUp, x, up);
  const long I = network_.inner, U = width(Width::up);
  for (long m = 0; m < rows; m++)
    for (long k = 0; k < I; k++) {
      const double* const u = &at(i, up)[m * U];
      at(i, y)[m * I + k] = f(network_.activation, u[k]) * (network_.gated ? u[I + k] : 1);
    }
}

void PlainEngine::linear_gated_back(long rows, long i, int dy, int up, int y) {
  linear_back(rows, i, kDown, dy, none, y);
  const long I = network_.inner, U = width(Width::up);
  for (long m = 0; m < rows; m++)
    for (long k = 0; k < I; k++) {
      double *const u = &at(i, up)[m * U + k], *const v = &at(i, y)[m * I + k];
      const double active = f(network_.activation, *u), other = network_.gated ? u[I] : 1, d = *v;
      *v = active * other, *u = d * other * slope(network_.activation, *u);
      if (network_.gated) u[I] = d * active;
    }
}

void PlainEngine::activate(long, long i, int x, int y) {
  for (size_t k = 0; k < at(i, x).size(); k++) at(i, y)[k] = f(network_.activation, at(i, x)[k]);
}

void PlainEngine::activate_back(long, long i, int x, int dy, int dx) {
  for (size_t k = 0; k < at(i, x).size(); k++) at(i, dx)[k] = at(i, dy)[k] * slope(network_.activation, at(i, x)[k]);
}

Doubles PlainEngine::turned(const double* head, long row, bool back) const {
  const long d = network_.head_size, half = d / 2;
  Doubles out(head, head + d);
  for (long k = 0; k < half && network_.positions == PositionKind::rotary; k++) {
    const double c = cos_[row][k], s = back ? -sin_[row][k] : sin_[row][k];
    out[k] = head[k] * c - head[k + half] * s, out[k + half] = head[k + half] * c + head[k] * s;
  }
  return out;
}

bool PlainEngine::sees(long i, long query, long key) const {
  const long window = network_.windows[i], far = places_[query] - places_[key];
  if (forward_.causal && network_.causal && key > query) return false;
  if (window && (batch_.positions.empty() ? query - key : far) >= window) return false;
  return batch_.hidden_from.empty() || key < batch_.hidden_from[query] || key >= batch_.hidden_to[query];
}

// Forward into y, or, where dy is given, back into dqkv. Keys are those of the query's sequence, or of its pages.
void PlainEngine::attend(long i, int qkv, int y, int dy, int dqkv) {
  const long d = network_.head_size, C = width(Width::qkv), Q = network_.heads * d, KV = network_.kv_heads * d;
  const long share = network_.heads / network_.kv_heads;
  const double scale = 1 / std::sqrt(double(d));
  const Doubles& x = at(i, qkv);
  if (dqkv != none) std::fill(at(i, dqkv).begin(), at(i, dqkv).end(), 0.);
  for (long g = 0; g < network_.kv_heads; g++) {
    std::vector<Doubles> keys, values;
    for (long t = 0; t < batch_.N(); t++) {
      keys.push_back(turned(&x[t * C + Q + g * d], t, false));
      values.emplace_back(&x[t * C + Q + KV + g * d], &x[t * C + Q + KV + g * d] + d);
      if (cached_) cache_->put(i, g, cached_->slots[t], keys.back(), values.back());
    }
    for (size_t s = 0; s + 1 < batch_.starts.size(); s++)
      for (long t = batch_.starts[s]; t < batch_.starts[s + 1]; t++) {
        std::vector<const double*> k, v;
        std::vector<long> from;
        if (cached_ && !cached_->pages.empty())
          cache_->seen(i, g, *cached_, t, network_.windows[i], k, v);
        else
          for (long j = batch_.starts[s]; j < batch_.starts[s + 1]; j++)
            if (sees(i, t, j)) k.push_back(keys[j].data()), v.push_back(values[j].data()), from.push_back(j);
        for (long h = g * share; h < (g + 1) * share; h++) {
          const Doubles q = turned(&x[t * C + h * d], t, false);
          Doubles p(k.size()), o(d, 0.), dq(d, 0.);
          double top = -INFINITY, sum = 0;
          for (size_t j = 0; j < k.size(); j++) {
            for (long e = 0; e < d; e++) p[j] += scale * q[e] * k[j][e];
            top = std::max(top, p[j]);
          }
          for (double& one : p) sum += one = std::exp(one - top);
          for (size_t j = 0; j < k.size(); j++)
            for (long e = 0; e < d; e++) o[e] += p[j] / sum * v[j][e];
          if (y != none) std::copy(o.begin(), o.end(), &at(i, y)[t * Q + h * d]);
          if (dy == none) continue;
          const double* const dout = &at(i, dy)[t * Q + h * d];
          Doubles& grad = at(i, dqkv);
          double delta = 0;
          for (long e = 0; e < d; e++) delta += dout[e] * o[e];
          for (size_t j = 0; j < k.size(); j++) {
            double dp = 0;
            Doubles dk(d);
            for (long e = 0; e < d; e++) dp += dout[e] * v[j][e];
            const double ds = scale * p[j] / sum * (dp - delta);
            for (long e = 0; e < d; e++)
              dq[e] += ds * k[j][e], dk[e] = ds * q[e], grad[from[j] * C + Q + KV + g * d + e] += p[j] / sum * dout[e];
            const Doubles back = turned(dk.data(), from[j], true);
            for (long e = 0; e < d; e++) grad[from[j] * C + Q + g * d + e] += back[e];
          }
          const Doubles back = turned(dq.data(), t, true);
          std::copy(back.begin(), back.end(), &grad[t * C + h * d]);
        }
      }
  }
}

}  // namespace attune
