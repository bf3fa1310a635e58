// Numbers that a call names, ascending and each once: what is made for them is sized by how many there are, not by the range they come from.
#pragma once
#include "cpu/guard.h"
#include <algorithm>

namespace attune::binding {

class Named {
 public:
  explicit Named(Ints numbers) : numbers_(std::move(numbers)) {
    std::sort(numbers_.begin(), numbers_.end());
    numbers_.erase(std::unique(numbers_.begin(), numbers_.end()), numbers_.end());
  }
  long count() const { return long(numbers_.size()); }
  // The number at a place, and the place of one that is named.
  int operator[](long place) const { return numbers_[place]; }
  int place_of(int number) const { return int(std::lower_bound(numbers_.begin(), numbers_.end(), number) - numbers_.begin()); }

 private:
  Ints numbers_;
};

}  // namespace attune::binding
