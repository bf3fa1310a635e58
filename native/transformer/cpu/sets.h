// Sets: the base and its adapters, and what is trained of each. Several live beside each other: a policy, a reference, a reward model on one base
// cost the base once.
#pragma once
#include "kernels/lora_matmul/lora_matmul.h"
#include "transformer/cpu/parameters.h"
#include "transformer/cpu/weights.h"
#include <array>
#include <map>
#include <memory>
#include <string>

namespace attune {

// Low-rank factors over the shared base, what is trained of them, and a head. The set without low-rank factors is the base itself.
struct Set {
  long identity = 0;
  float scale = 1, dropout = 0;
  bool trained = false;
  std::vector<std::array<lora_matmul::Group, kGroups>> groups;  // as Weights::layers, R == 0 where a group has none. Empty: the base
  Parameters parameters;
  Vector head;  // (H) score = w . normed row: the scalar head of a reward or value model; empty: none
};

class Sets {
 public:
  // Where all weights are trained, their fp32 values are read again from the checkpoint.
  Sets(const Network& network, const Options& options, Weights& weights, Team& team, const Tensors& tensors);
  // "" and, where no adapter is of that name, "default": the base. Throws where there is none.
  Set& find(const std::string& name);
  // Made apart from the model, so that an adapter that does not fit leaves everything as it was.
  std::unique_ptr<Set> make(const Adapter& adapter) const;
  // Puts a set in the place of its name and returns the one that was there.
  std::unique_ptr<Set> put(const std::string& name, std::unique_ptr<Set> set);
  std::unique_ptr<Set> take(const std::string& name);
  void give_head(Set& set, const std::vector<float>& w);
  std::vector<float> head(const Set& set) const;
  std::map<std::string, std::vector<NamedShape>> shapes() const;
  void zero_gradients(Set& set);
  long revision() const { return revision_; }
  void add_memory(std::map<std::string, size_t>& by_part) const;
  Set& base() { return base_; }

 private:
  void train_base(const Tensors& tensors);
  void train_matrix(const Placed& p);
  void train_vector(const Placed& p);
  void make_group(Set& set, const Adapter& adapter, std::map<std::string, const AdapterTarget*>& wanted, size_t layer, int group) const;
  const Network& network_;
  const Options& options_;
  Weights& weights_;
  Team& team_;
  Set base_;
  std::map<std::string, std::unique_ptr<Set>> adapters_;
  long last_identity_ = 0, revision_ = 0;
};

}  // namespace attune
