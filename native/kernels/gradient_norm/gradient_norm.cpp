// One variant: plain double sums, four at a time. It reads 4 bytes per number and is bound by memory at any instruction set.
#include "kernels/gradient_norm/gradient_norm.h"

namespace attune::gradient_norm {

double sum_of_squares(const float* g, long n) {
  double total = 0;
  for (long from = 0; from < n; from += 4096) {
    const long to = from + 4096 < n ? from + 4096 : n;
    double s[8] = {};
    long i = from;
    for (; i + 8 <= to; i += 8)
      for (int j = 0; j < 8; j++) s[j] += double(g[i + j]) * double(g[i + j]);
    for (; i < to; i++) s[0] += double(g[i]) * double(g[i]);
    total += ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
  }
  return total;
}

}  // namespace attune::gradient_norm
