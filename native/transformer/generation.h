// One sequence being generated: its keys and values in pages, its logits after the last token fed.
#pragma once
#include "transformer/cache.h"

namespace attune {

class Generation {
 public:
  // Room for `capacity` tokens, prompt included.
  Generation(std::shared_ptr<Model> model, long capacity, std::string adapter);
  // Runs tokens through the network. Several tokens on an empty cache go through the attention of training; otherwise each reads the cache.
  void feed(const std::vector<int>& tokens);
  sample::Choice sample(sample::Options options) const;
  const std::vector<float>& logits() const { return logits_; }
  long length() const { return long(seen_.size()); }
  Model& model() { return *model_; }

 private:
  std::shared_ptr<Model> model_;
  long capacity_;
  std::string adapter_;
  PagedCache cache_;
  std::vector<int> pages_;  // all of the cache, in order: one sequence owns them
  std::vector<int> seen_;
  std::vector<float> logits_;
};

}  // namespace attune
