// The one vector body of adamw, compiled once per instruction set. 16 numbers a step: 7 loads and stores of 64 bytes, so memory bounds it.
#pragma once
#include "cpu/vector.h"
#include "kernels/adamw/adamw.h"

namespace attune::ATTUNE_ISA::adamw_body {

static void run(const attune::adamw::Step& s, float* w, const float* gradient, float* m, float* v, long n) {
  const F16 b1 = set1(s.beta1), b2 = set1(s.beta2), a1 = set1(1.f - s.beta1), a2 = set1(1.f - s.beta2), scale = set1(s.scale);
  const F16 c1 = set1(float(s.rate / (1 - pow(double(s.beta1), double(s.t))))),
            c2 = set1(float(1 / (1 - pow(double(s.beta2), double(s.t)))));
  const F16 keep = set1(1.f - s.rate * s.decay), eps = set1(s.eps);
  auto step = [&](float* wp, const float* gp, float* mp, float* vp) {
    const F16 g = load(gp) * scale;
    const F16 first = fma(b1, load(mp), a1 * g), second = fma(b2, load(vp), a2 * (g * g));
    store(mp, first), store(vp, second);
    store(wp, fnma(c1, first / (sqrt(second * c2) + eps), load(wp) * keep));
  };
  long i = 0;
  for (; i + 16 <= n; i += 16) step(w + i, gradient + i, m + i, v + i);
  if (i == n) return;
  float tail[4][16] = {};  // the same code for the tail, so that a number's bits do not depend on where a tensor ends
  const long rest = n - i;
  memcpy(tail[0], w + i, rest * 4), memcpy(tail[1], gradient + i, rest * 4), memcpy(tail[2], m + i, rest * 4),
      memcpy(tail[3], v + i, rest * 4);
  step(tail[0], tail[1], tail[2], tail[3]);
  memcpy(w + i, tail[0], rest * 4), memcpy(m + i, tail[2], rest * 4), memcpy(v + i, tail[3], rest * 4);
}

}  // namespace attune::ATTUNE_ISA::adamw_body
