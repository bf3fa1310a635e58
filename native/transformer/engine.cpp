// What every engine checks alike, and which one runs: the one place that knows the devices there are.
#include "transformer/engine.h"
#include "base/error.h"
#include "transformer/cpu/cpu_engine.h"
#include "transformer/plain/plain_engine.h"

namespace attune {

void check_batch(const Network& n, const Batch& batch, const ForwardOptions& o) {
  const bool placed = !batch.positions.empty() || !batch.hidden_from.empty();
  if (placed && n.positions == PositionKind::rotary && n.rotary.kind == rotary::Kind::dynamic)
    throw Error("model_arguments",
                "positions: rotary embedding of kind 'dynamic' turns by the length of a whole sequence; leave positions, "
                "hiddenFrom and hiddenTo out");
  if (n.positions == PositionKind::table)
    for (size_t s = 0; s + 1 < batch.starts.size(); s++)
      if (batch.starts[s + 1] - batch.starts[s] > n.context)
        throw Error("model_arguments", "a sequence of " + std::to_string(batch.starts[s + 1] - batch.starts[s]) +
                                           " tokens is longer than the encoder's " + std::to_string(n.context) + " positions");
  if (n.writes()) return;
  if (placed)
    throw Error("model_arguments",
                "an encoder's tokens stand at their own places and are seen by all: leave positions, hiddenFrom and hiddenTo out");
  if (!batch.scores.empty()) throw Error("model_arguments", "an encoder has no score head");
  if (o.temperature != 1) throw Error("model_arguments", "an encoder's logits take no temperature");
}

void check_gradients(const Outputs& o, const Gradients& g) {
  const auto check = [](const char* name, const std::vector<float>& given, size_t expected, const char* what) {
    if (given.size() != expected)
      throw Error("model_arguments", std::string("backward: ") + name + ": expected " + std::to_string(expected) + " numbers, " + what +
                                         ", got " + std::to_string(given.size()));
  };
  const auto given = [&](const char* name, const std::optional<std::vector<float>>& v, size_t expected, const char* what) {
    if (v) check(name, *v, expected, what);
  };
  check("logprob", g.logprob, o.logprob.size(), "one for each target of the pass that was kept");
  given("lse", g.lse, o.lse.size(), "one for each target of the pass that was kept");
  given("entropy", g.entropy, o.entropy.size(), "as the pass that was kept gave (entropy: true asks for it)");
  given("mean", g.mean, o.mean.size(), "as the pass that was kept gave (mean: true asks for it)");
  static const std::vector<float> none;
  check("score", g.score ? *g.score : none, o.score.size(), "as the pass that was kept gave");
  check("candidates", g.candidates ? *g.candidates : none, o.candidates.size(), "as the pass that was kept gave");
}

void find_targets(const Batch& batch, std::vector<int>& rows, std::vector<int>& ids) {
  rows = batch.rows, ids = batch.ids;
  if (!rows.empty()) return;
  for (long t = 0; t < batch.N(); t++)
    if (batch.targets[t] >= 0) rows.push_back(int(t)), ids.push_back(batch.targets[t]);
}

void PassState::lose(const char* why) { lose_kept(why), alive_ = false; }

void PassState::lose_kept(const char* why) {
  if (kept_) why_lost_ = why;
  kept_ = false;
}

void PassState::check_alive() const {
  if (!alive_) throw Error("model_arguments", "logits need a pass before them");
}

void PassState::check_kept() const {
  if (kept_) return;
  throw Error("model_arguments", "backward needs a forward pass with keep: true before it" +
                                     (why_lost_ ? std::string("; ") + why_lost_ + ", so that the one that was kept is gone" : ""));
}

std::unique_ptr<Engine> load(const Network& network, const Options& options, const Tensors& tensors, const std::atomic<bool>& stop) {
  if (options.device == Device::plain) return std::make_unique<PlainEngine>(network, options, tensors);
  return std::make_unique<CpuEngine>(network, options, tensors, stop);
}

}  // namespace attune
