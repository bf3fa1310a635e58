// What the instruction-set files of matmul, lora_matmul and logprob see of a product: plain pointers, no header of the standard library.
#pragma once
#include "base/layout.h"
#include <cstddef>

namespace attune::matmul {

// A right operand (contraction x columns) in squares of 32 x 32 (kStep numbers): the square of column block n and step s lies at
// `at` + (n per_column + s per_step) squares.
//   fp32 square   [32 k][32 n]
//   bf16 square   [2 halves of n][16 pairs of k][16 n][2 k]      as the tile instruction wants its right side
// `turned`: the squares belong to the transposed matrix (k and n change places in the line above) and are turned on their way.
struct Panels {
  const void* at = nullptr;
  long columns = 0;  // physical, multiple of 32
  long steps = 0;    // contraction / 32
  long per_column = 0, per_step = 0;
  bool turned = false;
};

// How a product is cut; see plan() in matmul.h for the reasons.
struct Plan {
  long rows = 256;     // rows per pass over the panels
  long depth = 256;    // contraction per block
  long columns = 576;  // where the contraction is deeper than `depth`: columns whose fp32 sums wait in L2
};

template <class T> struct ProductView {
  const T* a = nullptr;  // (M, contraction) rows layout, at its first column
  long a_columns = 0;    // columns of the matrix that a is a part of
  Panels right;
  const T* low_left = nullptr;  // (M, 32 low.steps) rows layout; null: no adapter
  long low_columns = 0;
  Panels low;
  const unsigned char* window = nullptr;  // (2 columns/32): steps of the low-rank term that each column block needs; null: all
  Plan plan;
};

// One call of rows() in plain pointers. `right.at`, `low.at` and all void pointers are of `dtype`.
struct Rows {
  DType dtype;
  int finish;  // matmul::Finish
  const void* a;
  long a_columns;
  Panels right;
  const void* low_left;
  long low_columns;
  Panels low;
  const unsigned char* window;
  Plan plan;
  void* c;  // at its first column
  long c_columns;
  const void* residual;
  const float* bias;
  void* kept;
  float scale;
  long logical_columns;
};

// One call of contract(), at the first columns of both sides.
struct Sums {
  DType dtype;
  const void* left;
  long left_columns, R;
  const void* right;
  long right_columns, K;
  long M;
  float* out;
};

// Sixteen rows to be packed, which lie side by side in one half of a 32-row block of the matrix (N, K).
struct PackRows {
  DType dtype;
  Stored stored;
  const void* row[16];  // each row's numbers
  long N, K, half;
  void* forward;      // square of this row block and the first 32 columns
  void* backward;     // the same square of the other packing; null: there is none
  const int* from;    // (K,) which number of a row goes to each column, -1: none
  const int* starts;  // (K/32,) the first of 32 that lie together, -1: they do not
};

}  // namespace attune::matmul
