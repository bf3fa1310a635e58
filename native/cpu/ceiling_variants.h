// The inner loops of cpu/ceiling.h, one per instruction set. `numbers` are 4096 random floats (or bf16) of moderate size; what comes back through
// `sink` (64 floats) only keeps the compiler from leaving the work out.
#pragma once
#include "base/types.h"

namespace attune::cpu {

// Operations done in `rounds` rounds.
double multiply_portable(const float* numbers, long rounds, float* sink);
double multiply_avx2(const float* numbers, long rounds, float* sink);
double multiply_avx512(const float* numbers, long rounds, float* sink);
double multiply_amx(const bf16* numbers, long rounds, float* sink);

// n is a multiple of 64 floats, pointers are aligned to 64 bytes.
void read_portable(const float* from, long n, float* sink);
void read_avx2(const float* from, long n, float* sink);
void read_avx512(const float* from, long n, float* sink);
void copy_portable(const float* from, float* to, long n);
void copy_avx2(const float* from, float* to, long n);
void copy_avx512(const float* from, float* to, long n);

}  // namespace attune::cpu
