// The oracle: one pair at a time, in double.
#include "kernels/rotary/variants.h"

namespace attune::rotary {

template <class T> static void rotate_of(const Rotation& r, long first, long last) {
  T* x = (T*)r.x;
  const long half = r.D / 2;
  for (long m = first; m < last; m++)
    for (long h = 0; h < r.heads; h++)
      for (long i = 0; i < half; i++) {
        const long at = rows_index(m, r.from + h * r.D + i, r.columns), mate = rows_index(m, r.from + h * r.D + half + i, r.columns);
        const double a = to_float(x[at]), b = to_float(x[mate]), c = r.cos[m * half + i],
                     s = r.inverse ? -r.sin[m * half + i] : r.sin[m * half + i];
        store(x + at, float(a * c - b * s)), store(x + mate, float(b * c + a * s));
      }
}

void rotate_reference(const Rotation& r, long first, long last) {
  r.dtype == DType::f32 ? rotate_of<float>(r, first, last) : rotate_of<bf16>(r, first, last);
}

}  // namespace attune::rotary
