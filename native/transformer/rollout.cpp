#include "transformer/rollout.h"
#include "base/error.h"
#include "base/random.h"
#include <algorithm>

namespace attune {
namespace {

// Prompt tokens per prefill pass: enough rows to keep the tiles busy, activations of a few tens of MiB.
constexpr long kPrefill = 2048;

long longest(const std::vector<std::vector<int>>& prompts) {
  long n = 0;
  for (const auto& p : prompts) n = std::max(n, long(p.size()));
  return n;
}

// Beside the cache: logits of the answers in flight, and what is written down of each answer.
double beside(const Model& model, const RolloutShape& s) {
  return 4.0 * double(s.active()) * double(model.config.vocabulary) + double(s.prompts) * double(s.samples) * double(sizeof(Answer));
}

}  // namespace

long RolloutShape::active() const { return prompts ? std::max(std::min(most_active, samples * prompts), samples) : 0; }
double RolloutShape::pages() const { return double(active()) * double((longest + max_new + kPage - 1) / kPage + 1); }
long RolloutShape::prefill() const { return std::max(longest, std::min(kPrefill, prompts * longest)); }

Rollout::Rollout(Model& model, const RolloutOptions& options, std::vector<std::vector<int>> prompts, long samples)
    : model_(model),
      options_(options),
      adapter_{options.adapter},
      prompts_(std::move(prompts)),
      samples_(samples),
      shape_{long(prompts_.size()), samples, longest(prompts_), options.max_new, options.most_active},
      cache_(model, shape_.pages(), beside(model, shape_), "[startRollout]") {
  for (size_t p = 0; p < prompts_.size(); p++) {
    if (prompts_[p].empty()) throw Error("model_arguments", "prompt " + std::to_string(p) + " of a rollout is empty");
    waiting_.push_back(int(p));
    for (long s = 0; s < samples_; s++) answers_.emplace_back().prompt = int(p);
  }
}

// Pages that a prompt and all its answers may come to need.
long Rollout::pages_of(long prompt) const {
  const long n = long(prompts_[prompt].size()), whole = n / kPage;
  return whole + samples_ * ((n % kPage + options_.max_new + kPage - 1) / kPage) + 1;
}

bool Rollout::advance(long tokens) {
  if (failed_) throw Error("model_arguments", "the rollout failed before; start another one");
  adapter_.check(model_);
  cache_.reserve();
  failed_ = true;  // until this call is through: prompts and pages that a failure leaves behind belong to no answer
  for (long i = 0; i < tokens; i++) {
    leave_ended();
    admit();
    if (active_.empty()) break;
    decode();
  }
  leave_ended();
  failed_ = false;
  return !active_.empty() || !waiting_.empty();
}

void Rollout::cancel(long answer, long keep) {
  Answer& a = answers_[answer];
  if (keep < long(a.ids.size())) a.ids.resize(keep), a.logprob.resize(keep);
  a.stop = Stop::cancelled;
}

void Rollout::leave_ended() {
  std::vector<Active> still;
  for (Active& a : active_) {
    if (answers_[a.answer].stop == Stop::running) {
      still.push_back(std::move(a));
      continue;
    }
    for (const int page : a.pages) cache_.release(page);
  }
  active_ = std::move(still);
}

// Lets waiting prompts in while answers and pages have room, and makes their first tokens.
void Rollout::admit() {
  while (!waiting_.empty()) {
    std::vector<int> entering;
    long tokens = 0, answers = long(active_.size()), pages = cache_.free_pages();
    for (const Active& a : active_) {  // what those in flight may still take
      const Answer& x = answers_[a.answer];
      pages -= (long(prompts_[x.prompt].size()) + options_.max_new + kPage - 1) / kPage - long(a.pages.size());
    }
    while (!waiting_.empty()) {
      const int p = waiting_.front();
      const bool alone = answers == 0 && entering.empty();
      if (!alone && (answers + samples_ > options_.most_active || pages < pages_of(p) || tokens + long(prompts_[p].size()) > kPrefill))
        break;
      entering.push_back(p), waiting_.pop_front();
      tokens += long(prompts_[p].size()), answers += samples_, pages -= pages_of(p);
    }
    if (entering.empty()) return;
    prefill(entering);
    leave_ended();
  }
}

void Rollout::prefill(const std::vector<int>& prompts) {
  Batch batch;
  batch.starts = {0};
  std::vector<int> slots, positions, lengths, last;
  std::vector<std::vector<int>> pages(prompts.size());
  for (size_t i = 0; i < prompts.size(); i++) {
    const std::vector<int>& ids = prompts_[prompts[i]];
    for (size_t t = 0; t < ids.size(); t++) {
      if (t % kPage == 0) pages[i].push_back(cache_.take());
      slots.push_back(int(pages[i].back() * kPage + long(t) % kPage)), positions.push_back(int(t)), lengths.push_back(int(ids.size()));
    }
    batch.tokens.insert(batch.tokens.end(), ids.begin(), ids.end());
    batch.starts.push_back(int(batch.tokens.size())), last.push_back(int(batch.tokens.size()) - 1);
  }
  batch.targets.assign(batch.tokens.size(), -1);
  cache_.prepare(std::move(slots));
  model_.run_cached(batch, options_.adapter, positions, lengths, cache_);
  model_.head_logits(last, logits_);
  for (size_t i = 0; i < prompts.size(); i++) start_answers(prompts[i], pages[i], &logits_[i * model_.config.vocabulary]);
}

// All answers share the prompt's whole pages; a page that is begun is copied for every answer but the first.
void Rollout::start_answers(int prompt, const std::vector<int>& pages, const float* logits) {
  const bool begun = prompts_[prompt].size() % kPage != 0;
  for (long s = 0; s < samples_; s++) {
    const int answer = int(prompt * samples_ + s);
    Active a{answer, pages};
    if (s)
      for (size_t i = 0; i < pages.size(); i++) {
        if (begun && i + 1 == pages.size())
          a.pages[i] = cache_.copy(pages[i]);
        else
          cache_.share(pages[i]);
      }
    add_token(answers_[answer], answer, logits);
    active_.push_back(std::move(a));
  }
}

void Rollout::add_token(Answer& a, int answer, const float* logits) {
  sample::Options o;
  o.temperature = options_.temperature, o.top_k = options_.top_k, o.top_p = options_.top_p, o.min_p = options_.min_p;
  o.unit = random_unit(options_.seed, uint64_t(answer), a.ids.size());
  const sample::Choice c = sample::run(logits, model_.config.vocabulary, o);
  a.ids.push_back(c.id), a.logprob.push_back(c.logprob);
  if (std::find(options_.ends.begin(), options_.ends.end(), c.id) != options_.ends.end())
    a.stop = Stop::eos;
  else if (long(a.ids.size()) >= options_.max_new)
    a.stop = Stop::length;
}

// One token for every answer in flight.
void Rollout::decode() {
  const long rows = long(active_.size());
  Batch batch;
  batch.starts = {0};
  std::vector<int> slots, positions, lengths, tables, all;
  size_t most = 0;
  for (Active& a : active_) {
    const Answer& x = answers_[a.answer];
    const long at = long(prompts_[x.prompt].size()) + long(x.ids.size()) - 1;  // place of the token that is fed
    if (at / kPage >= long(a.pages.size())) a.pages.push_back(cache_.take());
    batch.tokens.push_back(x.ids.back()), batch.starts.push_back(int(batch.tokens.size()));
    slots.push_back(int(a.pages[at / kPage] * kPage + at % kPage)), positions.push_back(int(at)), lengths.push_back(int(at + 1));
    most = std::max(most, a.pages.size());
  }
  for (const Active& a : active_) {
    tables.insert(tables.end(), a.pages.begin(), a.pages.end());
    tables.resize(tables.size() + most - a.pages.size(), 0);
  }
  for (long r = 0; r < rows; r++) all.push_back(int(r));
  batch.targets.assign(rows, -1);
  cache_.prepare(std::move(slots), std::move(tables), long(most), lengths);
  model_.run_cached(batch, options_.adapter, positions, lengths, cache_);
  model_.head_logits(all, logits_);
  model_.team.tasks(
      rows, [&](long r, int) { add_token(answers_[active_[r].answer], active_[r].answer, &logits_[r * model_.config.vocabulary]); });
}

}  // namespace attune
