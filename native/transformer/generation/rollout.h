// Continuous batched generation: answers to many prompts at once. Prompts wait until there is room, a group of answers shares its prompt's pages,
// an answer that ends leaves at once and the next prompt enters. Same weights, kernels and numbers as training.
// The random number of a token depends on (seed, answer, place in the answer) only: the same answers whatever runs beside them.
#pragma once
#include "transformer/generation/pages.h"
#include <deque>

namespace attune {

constexpr long kMostActive = 64;  // answers in flight where nothing else is said: rows enough for the products of any layer

// How large a rollout is: what its memory depends on.
struct RolloutShape {
  long prompts = 0, samples = 1;
  long longest = 0;  // tokens of the longest prompt
  long max_new = 64;
  long most_active = kMostActive;
  long active() const;   // answers in flight at once; the group of one prompt always fits
  double pages() const;  // that they may need
  long prefill() const;  // most tokens of prompts in one pass
};

struct RolloutOptions {
  std::string adapter = "default";
  float temperature = 1, top_p = 1, min_p = 0;
  long top_k = 0;
  uint64_t seed = 0;
  std::vector<int> ends;  // ids that end an answer (kept as its last id)
  long max_new = 64;
  long most_active = kMostActive;  // answers in flight
};

enum class Stop : int { running, eos, length, cancelled };

struct Answer {
  int prompt = 0;
  std::vector<int> ids;
  std::vector<float> logprob;  // of each id under softmax(logits / temperature)
  Stop stop = Stop::running;
};

class Rollout {
 public:
  // `samples` answers to each prompt: answer p * samples + s is sample s of prompt p.
  // Cheap but for the bookkeeping of answers; caches are reserved by the first advance. Refuses more than there is memory for.
  Rollout(Engine& engine, long vocabulary, const RolloutOptions& options, std::vector<std::vector<int>> prompts, long samples);
  // Makes at most `tokens` tokens for each answer in flight; false when all answers have ended.
  bool advance(long tokens);
  // Ends an answer (a stop text was seen); its ids beyond `keep` are dropped.
  void cancel(long answer, long keep);
  const std::vector<Answer>& answers() const { return answers_; }
  long count() const { return long(answers_.size()); }  // never changes
  size_t bytes() const { return pool_.bytes(); }

 private:
  struct Active {
    int answer;
    std::vector<int> pages;
  };
  long pages_of(long prompt) const;
  void admit();
  void prefill(const std::vector<int>& prompts);
  void start_answers(int prompt, const std::vector<int>& pages);
  void decode();
  void draw(const std::vector<int>& rows, const std::vector<int>& from, const std::vector<int>& answers);
  void add_token(Answer& a, const sample::Choice& choice);
  void leave_ended();

  Engine& engine_;
  RolloutOptions options_;
  Chosen adapter_;
  std::vector<std::vector<int>> prompts_;
  long samples_;
  RolloutShape shape_;
  Pages pool_;
  bool failed_ = false;
  std::deque<int> waiting_;
  std::vector<Active> active_;
  std::vector<Answer> answers_;
};

}  // namespace attune
