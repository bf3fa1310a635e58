// dropout:  y = x / (1 - p) where kept, 0 where dropped (Srivastava et al. 2014). A number's fate depends on (key, stream, token key, column) only:
// the same mask whatever the batch, the order of rows, the number of threads, and again in the backward pass (y and x may be the same).
#pragma once
#include "base/layout.h"

namespace attune::dropout {

struct Site {
  DType dtype;
  uint64_t key, stream;        // key: of the step; stream: of the place in the network
  const uint64_t* token_keys;  // (M)
  float p;                     // share dropped, 0 <= p < 1
  // (columns) logical number of each physical column, below 0 of padding: a mask is of the network, not of a layout. Null: the same.
  const int* logical = nullptr;
};
// Rows first .. last of x (M, columns), rows layout.
void run(const Site& s, const void* x, void* y, long columns, long first, long last);
// y += dropout(x): what comes back through the mask is added to a gradient.
void add(const Site& s, const void* x, void* y, long columns, long first, long last);

}  // namespace attune::dropout
