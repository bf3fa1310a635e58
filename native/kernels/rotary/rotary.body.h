// The vector body of rotary, compiled once per instruction set. A block of 32 rows at a time: both halves of a pair of blocks are read in runs of
// 2 KiB (bf16), and the cosines and sines of 32 rows (16 KiB for D = 128) stay in L1 for all heads.
#pragma once
#include "cpu/vector.h"
#include "kernels/rotary/variants.h"

namespace attune::ATTUNE_ISA::rotary_body {
using attune::rotary::Rotation;

template <class T> static inline void turn(T* p, T* q, const float* cos, const float* sin, F16 sign) {
  F16 a0, a1, b0, b1;
  load32(p, a0, a1), load32(q, b0, b1);
  const F16 c0 = load(cos), c1 = load(cos + 16), s0 = load(sin) * sign, s1 = load(sin + 16) * sign;
  store32(p, fnma(b0, s0, a0 * c0), fnma(b1, s1, a1 * c1));
  store32(q, fma(a0, s0, b0 * c0), fma(a1, s1, b1 * c1));
}

template <class T> static void rotate_of(const Rotation& r, long first, long last) {
  T* x = (T*)r.x;
  const long half = r.D / 2;
  const F16 sign = set1(r.inverse ? -1.f : 1.f);
  for (long block = first; block < last; block = block / 32 * 32 + 32) {
    const long end = block / 32 * 32 + 32 < last ? block / 32 * 32 + 32 : last;
    for (long h = 0; h < r.heads; h++)
      for (long i = 0; i < half; i += 32)
        for (long m = block; m < end; m++) {
          T* p = x + rows_index(m, r.from + h * r.D + i, r.columns);
          turn(p, p + half * 32, r.cos + m * half + i, r.sin + m * half + i, sign);
        }
  }
}

static void rotate(const Rotation& r, long first, long last) {
  r.dtype == DType::f32 ? rotate_of<float>(r, first, last) : rotate_of<bf16>(r, first, last);
}

}  // namespace attune::ATTUNE_ISA::rotary_body
