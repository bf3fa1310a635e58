// One variant: the random bits cost more than the arithmetic. One 64-bit number serves four columns, 16 bits each (p is thus a multiple of 2^-16).
#include "kernels/dropout/dropout.h"
#include "base/random.h"

namespace attune::dropout {
namespace {

template <class T, bool adding> void rows(const Site& s, const T* x, T* y, long columns, long first, long last) {
  const uint32_t limit = uint32_t(s.p * 65536.f + .5f);
  const float keep = 65536.f / float(65536 - limit);
  for (long m = first; m < last; m++)
    for (long k = 0; k < columns; k += 4) {
      const uint64_t bits = random_bits(s.key * 0x9e3779b97f4a7c15ull ^ s.token_keys[m], s.stream, uint64_t(k));
      const long at = rows_index(m, k, columns);
      for (int j = 0; j < 4; j++) {
        const float v = ((bits >> (16 * j)) & 0xffff) < limit ? 0.f : to_float(x[at + j]) * keep;
        store(y + at + j, adding ? to_float(y[at + j]) + v : v);
      }
    }
}
template <bool adding> void either(const Site& s, const void* x, void* y, long columns, long first, long last) {
  if (s.dtype == DType::f32)
    rows<float, adding>(s, static_cast<const float*>(x), static_cast<float*>(y), columns, first, last);
  else
    rows<bf16, adding>(s, static_cast<const bf16*>(x), static_cast<bf16*>(y), columns, first, last);
}

}  // namespace

void run(const Site& s, const void* x, void* y, long columns, long first, long last) { either<false>(s, x, y, columns, first, last); }
void add(const Site& s, const void* x, void* y, long columns, long first, long last) { either<true>(s, x, y, columns, first, last); }

}  // namespace attune::dropout
