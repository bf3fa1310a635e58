// What a pass takes, what it gives, and what goes back through it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attune {

// Tokens end to end.
struct Batch {
  std::vector<int> tokens, starts, targets;  // (N), (S + 1), (N): -1 where nothing is predicted
  std::vector<int> rows, ids;   // (R) positions and the ids that they must predict, in place of `targets` (a prompt's last token may
                                // have to predict the first of each answer)
  std::vector<int> candidates;  // (R, K) ids whose log-probabilities are wanted beside those of the targets
  std::vector<int> scores;      // positions whose score is wanted
  std::vector<int> keys;        // (S) identity of each sequence for dropout, or (N) of each token's; empty: its index
  std::vector<int> positions, hidden_from, hidden_to;  // (N) as in attention::Shape; all empty: places, and nothing hidden
  long N() const { return long(tokens.size()); }
};
struct ForwardOptions {
  bool keep = false, causal = true, entropy = false, mean = false, dropout = false;
  std::string adapter = "default";  // "": the base alone; "default" is the base too where no adapter is set
  uint64_t dropout_key = 0;
  float temperature = 1;  // logits are divided by it; scores are not
  long top = 0;           // likeliest ids wanted of each row with a target
};
struct Outputs {
  std::vector<float> logprob, lse, entropy, mean;  // one per target
  std::vector<float> score;                        // one per position in `scores`
  std::vector<float> candidates;                   // (R, K)
  std::vector<int> top_ids;                        // (R, top), and their log-probabilities, descending
  std::vector<float> top;
};

// Gradients of the loss with respect to what a kept pass gave; absent ones are zero. Lengths are those of the pass.
struct Gradients {
  std::vector<float> logprob;                            // one per target
  std::optional<std::vector<float>> lse, entropy, mean;  // one per target
  std::optional<std::vector<float>> score, candidates;   // must be there where the pass gave some
};

}  // namespace attune
