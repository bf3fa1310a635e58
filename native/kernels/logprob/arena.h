// Cuts a workspace into arrays, and says how long it must be when there is none yet; and the arguments that both directions share.
#pragma once
#include "kernels/logprob/logprob.h"
#include "kernels/logprob/plan.h"
#include "kernels/logprob/variants.h"
#include <algorithm>

namespace attune::logprob {

// log2 e as the vectors have it: what they scaled by it must be divided by the same number.
constexpr float kLog2e = 1.44269504088896341f;

class Arena {
 public:
  explicit Arena(char* at) : at_(at) {}
  // n numbers, on a line of their own.
  template <class T> T* take(long n) {
    T* p = reinterpret_cast<T*>(at_ + used_);
    used_ += (size_t(n) * sizeof(T) + 63) / 64 * 64;
    return p;
  }
  size_t bytes() const { return used_ + 64; }

 private:
  char* at_;
  size_t used_ = 0;
};

// Rows m .. m + rows against vocabulary columns v .. v + columns (multiples of 32).
static inline Logits logits(const Forward& f, const Cut& c, long m, long rows, long v, long columns) {
  Logits l;
  l.dtype = f.head->dtype, l.rows = rows, l.plan = c.logits, l.first = v, l.real = std::min(columns, f.V - v), l.softcap = f.softcap;
  l.bias = f.bias ? f.bias + v : nullptr;
  l.hidden = static_cast<const char*>(f.hidden) + m * f.head->K * bytes_of(l.dtype), l.targets = f.targets + m;
  l.right = matmul::panels(*f.head, false);
  l.right.at = static_cast<const char*>(l.right.at) + v * f.head->K * bytes_of(l.dtype), l.right.columns = columns;
  return l;
}

}  // namespace attune::logprob
