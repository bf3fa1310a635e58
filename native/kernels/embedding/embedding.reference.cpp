// The oracle of the backward pass: the tokens of each id, ascending, summed in double. (That of the forward pass is matmul::at.)
#include "kernels/embedding/variants.h"
#include <algorithm>
#include <numeric>
#include <vector>

namespace attune::embedding {

void backward_reference(const Scatter& s, long from, long to) {
  std::vector<long> order(s.N);
  std::iota(order.begin(), order.end(), 0L);
  std::stable_sort(order.begin(), order.end(), [&](long a, long b) { return s.ids[a] < s.ids[b]; });
  const auto gradient = [&](long m, long k) {
    const long i = rows_index(m, k, s.H);
    return double(s.dtype == DType::f32 ? ((const float*)s.dx)[i] : to_float(((const bf16*)s.dx)[i]));
  };
  for (long first = 0, end = 0; first < s.N; first = end) {
    const int id = s.ids[order[first]];
    while (end < s.N && s.ids[order[end]] == id) end++;
    for (long k = from; k < to; k++) {
      float* dw = s.dw + rows_index(id, k, s.H);
      double sum = *dw;
      for (long i = first; i < end; i++) sum += gradient(order[i], k);
      *dw = float(sum);
    }
  }
}

}  // namespace attune::embedding
