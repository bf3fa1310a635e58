// Frequencies, as transformers computes them: Python's numbers in double, tensors in fp32, one rounding per operation (this file's suffix keeps
// the compiler from fusing any two).
#include "base/error.h"
#include "kernels/rotary/rotary.h"
#include <cmath>

namespace attune::rotary {
namespace {

constexpr double kPi = 3.14159265358979323846;

// tensor ** tensor in fp32, correctly rounded but for ties that double cannot tell.
float power(float base, float exponent) { return float(std::pow(double(base), double(exponent))); }

// base^(2 i / d)
Floats powers(double base, long d) {
  Floats p(d / 2);
  for (long i = 0; i < d / 2; i++) p[i] = power(float(base), float(2 * i) / float(d));
  return p;
}

void check(const Config& c) {
  const auto fail = [](const std::string& m) { throw Error("kernel_arguments", std::string("[rotary] ").append(m)); };
  if (c.head_size < 2 || c.head_size % 2) fail(std::string("expected an even head size, got ").append(std::to_string(c.head_size)));
  if (!(c.base > 0) || !std::isfinite(c.base)) fail("expected a base (rope_theta) above 0");
  if (c.kind == Kind::standard) return;
  if (!(c.factor > 0) || !std::isfinite(c.factor)) fail("expected a factor above 0");
  if (c.kind == Kind::dynamic && (c.context < 1 || c.head_size < 4))
    fail("dynamic: expected the context (max_position_embeddings) and a head size above 2");
  if (c.kind != Kind::llama3 && c.kind != Kind::yarn) return;
  if (c.original_context < 1) fail("expected original_max_position_embeddings");
  if (c.kind == Kind::llama3 && (!(c.low_freq_factor > 0) || !(c.high_freq_factor > c.low_freq_factor)))
    fail("llama3: expected 0 < low_freq_factor < high_freq_factor");
  if (c.kind == Kind::yarn && (!(c.beta_fast > 0) || !(c.beta_slow > 0) || c.base == 1))
    fail("yarn: expected beta_fast and beta_slow above 0 and another base than 1");
}

// transformers has the sequence length as a tensor here, so the new base is an fp32 number (its exponent is a double).
double dynamic_base(const Config& c, long length) {
  if (length <= c.context) return c.base;
  const float grown = float(c.factor) * float(length) / float(c.context) - float(c.factor - 1);
  return float(c.base) * float(std::pow(double(grown), double(c.head_size) / double(c.head_size - 2)));
}

// Long waves are divided by `factor`, short ones stay, and between them goes a line in original_context / wavelength.
float llama3(const Config& c, float f) {
  const float factor = float(c.factor), wave = 1.f / f * float(2 * kPi);
  const float low = float(double(c.original_context) / c.low_freq_factor), high = float(double(c.original_context) / c.high_freq_factor);
  if (wave > low) return f / factor;
  if (wave < high) return f;
  const float smooth = (1.f / wave * float(c.original_context) - float(c.low_freq_factor)) / float(c.high_freq_factor - c.low_freq_factor);
  return (1.f - smooth) * f / factor + smooth * f;
}

// The (fractional) pair that turns `rotations` times within the original context.
double yarn_pair(const Config& c, double rotations) {
  return double(c.head_size) * std::log(double(c.original_context) / (rotations * 2 * kPi)) / (2 * std::log(c.base));
}

void yarn(const Config& c, const Floats& p, Floats& f) {
  double low = yarn_pair(c, c.beta_fast), high = yarn_pair(c, c.beta_slow);
  if (c.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::fmax(low, 0), high = std::fmin(high, double(c.head_size - 1));
  if (low == high) high += 0.001;  // as transformers, against a division by zero
  for (size_t i = 0; i < p.size(); i++) {
    const float ramp = (float(i) - float(low)) / float(high - low), keep = 1.f - std::fmin(std::fmax(ramp, 0.f), 1.f);
    f[i] = 1.f / (float(c.factor) * p[i]) * (1.f - keep) + 1.f / p[i] * keep;
  }
}

double mscale(double factor, double m) { return factor <= 1 ? 1 : 0.1 * m * std::log(factor) + 1; }

}  // namespace

void frequencies(const Config& c, long length, Floats& f, float& attention_factor) {
  check(c);
  const Floats p = powers(c.kind == Kind::dynamic ? dynamic_base(c, length) : c.base, c.head_size);
  attention_factor = 1;
  f.resize(p.size());
  for (size_t i = 0; i < p.size(); i++) {
    f[i] = 1.f / p[i];
    if (c.kind == Kind::linear) f[i] /= float(c.factor);
    if (c.kind == Kind::llama3) f[i] = llama3(c, f[i]);
  }
  if (c.kind != Kind::yarn) return;
  yarn(c, p, f);
  const bool both = c.mscale != 0 && c.mscale_all_dim != 0;
  const double own = both ? mscale(c.factor, c.mscale) / mscale(c.factor, c.mscale_all_dim) : mscale(c.factor, 1);
  attention_factor = float(c.attention_factor != 0 ? c.attention_factor : own);
}

void row(const Floats& f, float attention_factor, long position, long half, float* cos, float* sin) {
  for (long i = 0; i < half; i++) {
    const bool real = i < long(f.size());
    const float angle = real ? float(position) * f[i] : 0;
    cos[i] = real ? float(std::cos(double(angle))) * attention_factor : 1;
    sin[i] = real ? float(std::sin(double(angle))) * attention_factor : 0;
  }
}

}  // namespace attune::rotary
