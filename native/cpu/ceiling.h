// What this machine can do at best, measured the way benches divide by it: random numbers (tiles of zeros run a third faster), the same threads,
// the same minute. No kernel can pass these figures; how near it comes is its share of the ceiling.
//
//   multiply   independent fused multiply-adds on numbers in registers (AMX: bf16 tiles whose operands lie in L1), 2 operations each
//   read       sum of a buffer that no cache holds, each thread its own
//   copy       one such buffer to another: read, and written without being read before (non-temporal where there is such a store)
#pragma once
#include "base/types.h"
#include "cpu/threads.h"

namespace attune::cpu {

// Operations per second of all threads together, for about `seconds`. bf16 differs from f32 in AMX alone: everywhere else numbers are widened
// and multiplied in fp32.
double multiply_ceiling(Team& team, DType dtype, double seconds);
// Bytes per second of all threads together. `bytes` is one thread's buffer.
double read_ceiling(Team& team, long bytes, double seconds);
double copy_ceiling(Team& team, long bytes, double seconds);

}  // namespace attune::cpu
