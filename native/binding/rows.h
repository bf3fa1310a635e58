// Row-major Float32Arrays of JavaScript as matrices in the rows layout (base/layout.h) of either dtype, and back.
#pragma once
#include "base/layout.h"
#include "binding/arguments.h"
#include "cpu/memory.h"
#include <vector>

namespace attune::binding {

// (M, columns) numbers of `dtype`, zero at first. M = 0 has an address too, and takes one block however many columns there are.
class Rows {
 public:
  Rows(DType dtype, long M, long columns);
  // Column k of the row-major x (M, K) goes to column at[k], or k where `at` is empty.
  Rows(DType dtype, const Floats& x, long M, long K, long columns, const std::vector<long>& at = {});
  Floats floats(long K, const std::vector<long>& at = {}) const;
  // The same as a new array of JavaScript, (M, K).
  Napi::Float32Array to_js(Napi::Env env, long K, const std::vector<long>& at = {}) const;
  void* data() const { return memory_.as<void>(); }

 private:
  void copy_to(float* x, long K, const std::vector<long>& at) const;
  DType dtype_;
  long M_, columns_;
  Memory memory_;
};

// w (K,) to a vector of `columns` numbers, padding zero.
Floats padded(const Floats& w, long columns, const std::vector<long>& at = {});

}  // namespace attune::binding
