// sample: the next token from logits (V,). Order as in transformers: repetition penalty, temperature, top-k, top-p, min-p, then one draw.
//
//   penalty r    z_i = z_i > 0 ? z_i / r : z_i r              once for each id in `seen`
//   top-k        ids whose z is at least the k-th largest     (equals of the k-th stay)
//   top-p        ids in falling order of probability, smaller ids first among equals, while those before them have less than p together
//   min-p        ids with at least min_p of the highest probability
//   draw         the first id, ascending, at which the sum of the probabilities of what is left exceeds `unit`
//
// Probabilities and sums in double, so that the choice depends on the logits and `unit` alone. One id stays in any case. Logits of which one is NaN
// (or all are minus infinity) have no distribution: the choice then is the first NaN (or 0) with a log-probability of NaN.
// Reference: Fan et al. 2018 (top-k), Holtzman et al. 2020 (top-p), Keskar et al. 2019 (penalty), Nguyen et al. 2024 (min-p).
#pragma once
#include <cstdint>

namespace attune::sample {

struct Options {
  float temperature = 1;  // 0: greedy (smallest id among equals)
  long top_k = 0;         // 0: off
  float top_p = 1, min_p = 0;
  float repetition_penalty = 1;  // of ids in `seen`
  const int* seen = nullptr;     // ids in 0 .. V-1, in any order, repeats allowed
  long seen_count = 0;
  double unit = 0;  // uniform in [0, 1) for the draw
};
struct Choice {
  int id;
  float logprob;  // of that id under softmax(logits / temperature) (temperature 0: softmax(logits)): without penalty, before cutting
};
Choice run(const float* logits, long V, const Options& o);

}  // namespace attune::sample
