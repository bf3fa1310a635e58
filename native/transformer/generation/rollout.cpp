#include "transformer/generation/rollout.h"
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
double beside(long vocabulary, const RolloutShape& s) {
  return 4.0 * double(s.active()) * double(vocabulary) + double(s.prompts) * double(s.samples) * double(sizeof(Answer));
}

}  // namespace

long RolloutShape::active() const { return prompts ? std::max(std::min(most_active, samples * prompts), samples) : 0; }
double RolloutShape::pages() const { return double(active()) * double((longest + max_new + kPage - 1) / kPage + 1); }
long RolloutShape::prefill() const { return std::max(longest, std::min(kPrefill, prompts * longest)); }

Rollout::Rollout(Engine& engine, long vocabulary, const RolloutOptions& options, std::vector<std::vector<int>> prompts, long samples)
    : engine_(engine),
      options_(options),
      adapter_{options.adapter},
      prompts_(std::move(prompts)),
      samples_(samples),
      shape_{long(prompts_.size()), samples, longest(prompts_), options.max_new, options.most_active},
      pool_(engine, shape_.pages(), beside(vocabulary, shape_), "[startRollout]") {
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
  adapter_.check(engine_);
  pool_.reserve();
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
    for (const int page : a.pages) pool_.release(page);
  }
  active_ = std::move(still);
}

// Lets waiting prompts in while answers and pages have room, and makes their first tokens.
void Rollout::admit() {
  while (!waiting_.empty()) {
    std::vector<int> entering;
    long tokens = 0, answers = long(active_.size()), pages = pool_.free_pages();
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
  CachedRows rows;
  rows.adapter = options_.adapter, rows.starts = {0};
  std::vector<int> last, from, answers;
  std::vector<std::vector<int>> pages(prompts.size());
  for (size_t i = 0; i < prompts.size(); i++) {
    const std::vector<int>& ids = prompts_[prompts[i]];
    for (size_t t = 0; t < ids.size(); t++) {
      if (t % kPage == 0) pages[i].push_back(pool_.take());
      rows.slots.push_back(int(pages[i].back() * kPage + long(t) % kPage)), rows.positions.push_back(int(t));
      rows.lengths.push_back(int(ids.size()));
    }
    rows.tokens.insert(rows.tokens.end(), ids.begin(), ids.end());
    rows.starts.push_back(int(rows.tokens.size())), last.push_back(int(rows.tokens.size()) - 1);
    for (long s = 0; s < samples_; s++) from.push_back(int(i)), answers.push_back(int(prompts[i] * samples_ + s));
  }
  engine_.run_cached(rows, pool_.cache());
  draw(last, from, answers);
  for (size_t i = 0; i < prompts.size(); i++) start_answers(prompts[i], pages[i]);
}

// All answers share the prompt's whole pages; a page that is begun is copied for every answer but the first.
void Rollout::start_answers(int prompt, const std::vector<int>& pages) {
  const bool begun = prompts_[prompt].size() % kPage != 0;
  for (long s = 0; s < samples_; s++) {
    Active a{int(prompt * samples_ + s), pages};
    if (s)
      for (size_t i = 0; i < pages.size(); i++) {
        if (begun && i + 1 == pages.size())
          a.pages[i] = pool_.copy(pages[i]);
        else
          pool_.share(pages[i]);
      }
    active_.push_back(std::move(a));
  }
}

// The next token of each of `answers`, from the row of the last pass that `from` and `rows` name.
void Rollout::draw(const std::vector<int>& rows, const std::vector<int>& from, const std::vector<int>& answers) {
  Draws d{rows, from, {}, {}};
  d.options.temperature = options_.temperature, d.options.top_k = options_.top_k;
  d.options.top_p = options_.top_p, d.options.min_p = options_.min_p;
  for (const int a : answers) d.unit.push_back(random_unit(options_.seed, uint64_t(a), answers_[a].ids.size()));
  const std::vector<sample::Choice> choices = engine_.choose(d);
  for (size_t i = 0; i < answers.size(); i++) add_token(answers_[answers[i]], choices[i]);
}

void Rollout::add_token(Answer& a, const sample::Choice& choice) {
  a.ids.push_back(choice.id), a.logprob.push_back(choice.logprob);
  if (std::find(options_.ends.begin(), options_.ends.end(), choice.id) != options_.ends.end())
    a.stop = Stop::eos;
  else if (long(a.ids.size()) >= options_.max_new)
    a.stop = Stop::length;
}

// One token for every answer in flight.
void Rollout::decode() {
  CachedRows rows;
  rows.adapter = options_.adapter, rows.starts = {0};
  std::vector<int> all, answers;
  size_t most = 0;
  for (Active& a : active_) {
    const Answer& x = answers_[a.answer];
    const long at = long(prompts_[x.prompt].size()) + long(x.ids.size()) - 1;  // place of the token that is fed
    if (at / kPage >= long(a.pages.size())) a.pages.push_back(pool_.take());
    rows.tokens.push_back(x.ids.back()), rows.starts.push_back(int(rows.tokens.size()));
    rows.slots.push_back(int(a.pages[at / kPage] * kPage + at % kPage)), rows.positions.push_back(int(at)),
        rows.lengths.push_back(int(at + 1));
    most = std::max(most, a.pages.size());
    all.push_back(int(all.size())), answers.push_back(a.answer);
  }
  for (const Active& a : active_) {
    rows.pages.insert(rows.pages.end(), a.pages.begin(), a.pages.end());
    rows.pages.resize(rows.pages.size() + most - a.pages.size(), 0);
  }
  rows.most_pages = long(most);
  engine_.run_cached(rows, pool_.cache());
  draw(all, all, answers);
}

}  // namespace attune
