// One sequence being generated: its keys and values in pages, its logits after the last token fed.
#pragma once
#include "transformer/generation/pages.h"

namespace attune {

class Generation {
 public:
  // Room for `capacity` tokens, prompt included.
  Generation(Engine& engine, long capacity, std::string adapter);
  // Runs tokens through the network. Several tokens on an empty cache go through the attention of training; otherwise each reads the cache.
  void feed(const std::vector<int>& tokens);
  sample::Choice sample(sample::Options options) const;
  const std::vector<float>& logits() const { return logits_; }
  long length() const { return long(seen_.size()); }
  size_t bytes() const { return pool_.bytes(); }

 private:
  void feed_piece(const int* tokens, long n);
  Engine& engine_;
  long capacity_;
  Chosen adapter_;
  Pages pool_;
  std::vector<int> pages_;  // all of the pool, in order: one sequence owns them
  std::vector<int> seen_;
  std::vector<float> logits_;
};

}  // namespace attune
