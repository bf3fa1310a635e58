// The table of kernels as JavaScript sees them: `kernels.NAME(arguments, { variant, threads })` on row-major Float32Arrays. Tests, benches and
// users of single kernels call through this table and no other way.
#pragma once
#include "binding/arguments.h"
#include "cpu/features.h"
#include "cpu/threads.h"
#include <functional>

namespace attune::binding {

struct Kernel {
  const char* name;
  // Instruction sets that have code of their own here (a machine's best falls back to the one below it).
  std::vector<cpu::Isa> variants;
  Napi::Object (*run)(const Arguments& a, Team& team);
};

// `repeat: n` in the arguments: runs the kernel n times more and sets `seconds` of `out` to the time of one run, for benches (the conversion of
// layouts would dominate a time taken outside).
void time_repeats(const Arguments& a, Napi::Object out, const std::function<void()>& run);

Napi::Object kernels_object(Napi::Env env);

}  // namespace attune::binding
