// One of several variants of a function or of a table of functions, by the instruction set of the calling thread:
//
//   cpu::variant(rotate_reference, ATTUNE_AVX2(rotate_avx2), ATTUNE_AVX512(rotate_avx512))(r, first, last);
#pragma once
#include "cpu/features.h"
#include <type_traits>

// What is compiled for an instruction set, or null where the build leaves it out.
#if defined(ATTUNE_HAVE_AVX2)
#define ATTUNE_AVX2(variant) variant
#else
#define ATTUNE_AVX2(variant) nullptr
#endif
#if defined(ATTUNE_HAVE_AVX512)
#define ATTUNE_AVX512(variant) variant
#else
#define ATTUNE_AVX512(variant) nullptr
#endif
#if defined(ATTUNE_HAVE_AMX)
#define ATTUNE_AMX(variant) variant
#else
#define ATTUNE_AMX(variant) nullptr
#endif

namespace attune::cpu {

// The best variant that is there and that chosen() allows; T is a pointer.
template <class T>
T variant(T reference, std::type_identity_t<T> avx2, std::type_identity_t<T> avx512, std::type_identity_t<T> amx = nullptr) {
  const Isa isa = chosen();
  if (amx && isa >= Isa::amx) return amx;
  if (avx512 && isa >= Isa::avx512) return avx512;
  if (avx2 && isa >= Isa::avx2) return avx2;
  return reference;
}

}  // namespace attune::cpu
