// What beside order and window decides which keys a query sees: three optional arguments of a ragged batch, as attention takes them.
#pragma once
#include "binding/arguments.h"

namespace attune::binding {

struct HiddenKeys {
  Ints positions, from, to;  // (N), or all empty: positions are places in the sequence, and nothing is hidden
  // `positions`, `hiddenFrom` and `hiddenTo` of N tokens in sequences. Each may be absent; what says nothing new is left out.
  HiddenKeys(const Arguments& a, const Ints& starts, long N);
};

}  // namespace attune::binding
