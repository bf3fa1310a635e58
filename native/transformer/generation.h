// One sequence being generated: its keys and values in pages of 32 tokens, its logits after the last token fed.
#pragma once
#include "transformer/model.h"

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

  // Called by the model where a layer attends: stores keys and values; true when it attended over the cache itself.
  bool attend(long layer, const void* qkv, void* out);

 private:
  std::shared_ptr<Model> model_;
  long capacity_;
  std::string adapter_;
  std::vector<Memory> keys_, values_;  // a layer each: (pages, kv_heads, 32, D)
  std::vector<int> pages_;             // 0, 1, 2, …: one sequence owns all
  std::vector<int> slots_, lengths_;   // of the rows being fed
  std::vector<int> page_rows_;         // pages_ once per row
  std::vector<int> seen_;
  std::vector<float> logits_;
};

}  // namespace attune
