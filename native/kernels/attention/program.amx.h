// Tile work as a list, taken up a little at a time between the vector instructions of other work: the tile unit and the vector units then run side
// by side, and nothing waits for the memory that it has just written.
#pragma once
#include "cpu/amx.h"

namespace attune::ATTUNE_ISA::attention_body {

struct Step {  // sums (32, 32) += left right
  const bf16 *left, *right;
  float* sums;
  int begin, end;  // begin: 1 zero, 2 load the sums; end: 1 store them
};

struct Program {
  static constexpr int kMost = 160;
  Step steps[kMost];
  int count = 0, done = 0;

  void clear() { count = done = 0; }
  // sums = (fresh) or += the sum of `steps` products; left and right advance by so many numbers.
  void add(float* sums, bool fresh, const bf16* left, long left_step, const bf16* right, long right_step, long n) {
    for (long i = 0; i < n; i++) steps[count++] = {left + i * left_step, right + i * right_step, sums, i ? 0 : fresh ? 1 : 2, i + 1 == n};
  }
  inline __attribute__((always_inline)) void one() {
    const Step& s = steps[done++];
    if (s.begin == 1)
      tiles_zero();
    else if (s.begin == 2)
      tiles_load(s.sums);
    tiles_step(s.left, s.right);
    if (s.end) tiles_store(s.sums);
  }
  void finish() {
    while (done < count) one();
  }
};

// Spreads what is left of a program over `rounds` calls of next().
class Spread {
 public:
  Spread(Program& p, long rounds) : program_(p), rounds_(rounds), left_(p.count - p.done) {}
  inline __attribute__((always_inline)) void next() {
    credit_ += left_;
    while (credit_ >= rounds_) credit_ -= rounds_, program_.one();
  }

 private:
  Program& program_;
  long rounds_, left_, credit_ = 0;
};

}  // namespace attune::ATTUNE_ISA::attention_body
