// rotary: positions as rotations of pairs (i, i + d/2) of each head (Su et al. 2021), with the scalings of longer contexts.
//
//   f_i = base^(-2 i / d)  ->  scaled by kind  ->  angle = position f_i  ->  cos, sin (both times `attention_factor`, YaRN)
//   x'_i = x_i cos - x_{i + d/2} sin ;  x'_{i + d/2} = x_{i + d/2} cos + x_i sin
//
// Frequencies, angles, cosines and sines are computed in fp32, operation by operation as transformers does (angle = float(position) f_i, rounded
// to fp32 before cos). Powers, cosines and sines are rounded correctly; PyTorch's are in 99 of 100 cases and off by one unit in the last place in
// the others, differently on each instruction set.
// Reference for the scalings: linear: Chen et al. 2023; dynamic: "NTK-aware", 2023; llama3: Dubey et al. 2024; YaRN: Peng et al. 2023.
#pragma once
#include "base/layout.h"
#include "cpu/guard.h"

namespace attune::rotary {

enum class Kind : int { standard, linear, dynamic, llama3, yarn };

struct Config {
  Kind kind = Kind::standard;
  double base = 10000;
  long head_size = 0;  // logical d
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  long original_context = 0;                         // llama3, yarn: original_max_position_embeddings
  long context = 0;                                  // dynamic: max_position_embeddings
  double beta_fast = 32, beta_slow = 1;              // yarn
  double attention_factor = 0;                       // yarn; 0: mscale(factor, 1) with mscale(s, m) = 0.1 m ln(s) + 1 (1 for s <= 1) …
  double mscale = 0, mscale_all_dim = 0;             // … or, where both are given, mscale(factor, first) / mscale(factor, second)
  bool truncate = true;                              // yarn: the ramp begins and ends at whole pairs
};
// (d/2) frequencies for sequences of `length` tokens (only `dynamic` depends on it), and the factor of cosines and sines.
// Throws for numbers that make none (an odd head, factor 0, no original context …).
void frequencies(const Config& c, long length, Floats& f, float& attention_factor);
// One row of cos and sin (`half` physical columns: cos 1, sin 0 past d/2).
void row(const Floats& f, float attention_factor, long position, long half, float* cos, float* sin);
// Rotates in place `heads` heads of D physical columns (multiple of 64; attention.h has their inner places) from column `from` on of x (rows layout,
// `columns` columns). inverse: by the opposite angle, for the backward pass. cos and sin (M, D/2). Rows past `last` are left as they are.
void rotate(void* x, DType dtype, long columns, long from, long heads, long D, const float* cos, const float* sin, bool inverse, long first,
            long last);

}  // namespace attune::rotary
