// gradient_norm: sum of squares of n numbers in double, in a fixed order (chunks of 4096, then ascending), whatever the threads; infinite or NaN where an input is.
#pragma once

namespace attune::gradient_norm {
double sum_of_squares(const float* g, long n);
}  // namespace attune::gradient_norm
