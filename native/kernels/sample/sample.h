// sample: the next token from logits (V,). Order as in transformers: repetition penalty, temperature, top-k, top-p, min-p, then one draw.
#pragma once
#include <cstdint>

namespace attune::sample {

struct Options {
  float temperature = 1;  // 0: greedy (smallest id among equals)
  long top_k = 0;         // 0: off
  float top_p = 1, min_p = 0;
  float repetition_penalty = 1;  // of ids in `seen`
  const int* seen = nullptr;
  long seen_count = 0;
  double unit = 0;  // uniform in [0, 1) for the draw
};
struct Choice {
  int id;
  float logprob;  // of that id under softmax(logits / temperature) before cutting (temperature 0: softmax(logits))
};
Choice run(const float* logits, long V, const Options& o);

}  // namespace attune::sample
