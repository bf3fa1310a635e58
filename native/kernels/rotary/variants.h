#pragma once
#include "base/layout.h"

namespace attune::rotary {

// The arguments of rotate(), without those headers that files of an instruction set may not see.
struct Rotation {
  void* x;
  DType dtype;
  long columns, from, heads, D;
  const float *cos, *sin;
  bool inverse;
};
void rotate_reference(const Rotation& r, long first, long last);
void rotate_avx2(const Rotation& r, long first, long last);
void rotate_avx512(const Rotation& r, long first, long last);

}  // namespace attune::rotary
