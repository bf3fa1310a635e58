// Number types. Functions here are `static inline`: a plain inline function compiled once with AVX-512 flags could become the copy
// that every object file runs, on machines without AVX-512 too.
#pragma once
#include <cstdint>
#include <cstring>

namespace attune {

// The upper half of an fp32.
struct bf16 {
  uint16_t bits;
};

enum class DType : int { f32 = 0, bf16 = 1 };
// How a tensor is stored in a file.
enum class Stored : int { f32 = 0, bf16 = 1, f16 = 2 };

static inline long bytes_of(DType t) { return t == DType::f32 ? 4 : 2; }
static inline long bytes_of(Stored t) { return t == Stored::f32 ? 4 : 2; }

// Round to nearest even; a NaN stays a NaN (its upper mantissa bit is set, so that the cut cannot make it infinite).
static inline bf16 to_bf16(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  if ((u & 0x7fffffff) > 0x7f800000) return bf16{uint16_t((u >> 16) | 0x40)};
  return bf16{uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}
static inline float to_float(bf16 h) {
  uint32_t u = uint32_t(h.bits) << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}
static inline float to_float(float f) { return f; }
static inline float f16_to_float(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 1023, u;
  if (exponent == 31) {
    u = sign | 0x7f800000 | (mantissa << 13);
  } else if (exponent) {
    u = sign | ((exponent + 112) << 23) | (mantissa << 13);
  } else if (mantissa) {  // subnormal: shift until the hidden bit appears
    int shift = 0;
    while (!(mantissa & 1024)) mantissa <<= 1, shift++;
    u = sign | ((113 - shift) << 23) | ((mantissa & 1023) << 13);
  } else {
    u = sign;
  }
  float f;
  memcpy(&f, &u, 4);
  return f;
}
static inline void store(float* to, float f) { *to = f; }
static inline void store(bf16* to, float f) { *to = to_bf16(f); }
// Number i of a file's bytes, which may lie at any address.
static inline float stored_to_float(const void* data, Stored t, long i) {
  if (t == Stored::f32) {
    float f;
    memcpy(&f, (const char*)data + 4 * i, 4);
    return f;
  }
  uint16_t half;
  memcpy(&half, (const char*)data + 2 * i, 2);
  return t == Stored::bf16 ? to_float(bf16{half}) : f16_to_float(half);
}

}  // namespace attune
