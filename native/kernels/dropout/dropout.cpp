// One variant: the random bits cost more than the arithmetic. One 64-bit number serves four columns, 16 bits each (p is thus a multiple of 2^-16).
#include "kernels/dropout/dropout.h"
#include "base/random.h"

namespace attune::dropout {
namespace {

// Random bits of four columns from k on, of row m.
uint64_t bits_of(const Site& s, long m, long k) {
  return random_bits(s.key * 0x9e3779b97f4a7c15ull ^ s.token_keys[m], s.stream, uint64_t(k));
}

template <class T, bool adding> void rows(const Site& s, const T* x, T* y, long columns, long first, long last) {
  const uint32_t limit = uint32_t(s.p * 65536.f + .5f);
  const float keep = 65536.f / float(65536 - limit);
  const auto put = [&](long at, uint64_t bits, long lane) {
    const float v = ((bits >> (16 * lane)) & 0xffff) < limit ? 0.f : to_float(x[at]) * keep;
    store(y + at, adding ? to_float(y[at]) + v : v);
  };
  for (long m = first; m < last; m++) {
    if (!s.logical) {
      for (long k = 0; k < columns; k += 4) {
        const uint64_t bits = bits_of(s, m, k);
        for (long j = 0; j < 4; j++) put(rows_index(m, k, columns) + j, bits, j);
      }
      continue;
    }
    uint64_t bits = 0;
    for (long k = 0, from = -1; k < columns; k++) {
      const long number = s.logical[k] < 0 ? 0 : s.logical[k];  // padding holds zero, dropped or not
      if (number / 4 != from) bits = bits_of(s, m, (from = number / 4) * 4);
      put(rows_index(m, k, columns), bits, number % 4);
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
