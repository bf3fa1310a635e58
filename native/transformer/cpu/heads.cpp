// The heads: log-probabilities of the vocabulary and scores, of the rows that they read, and back.
#include "base/error.h"
#include "transformer/cpu/cpu_engine.h"

namespace attune {

// The rows of both heads: those with a target, then, from the next block of 32 on, those with a score. The gap repeats row 0 of the batch.
std::vector<int> CpuEngine::head_rows() const {
  std::vector<int> rows = rows_;
  const std::vector<int>& scores = pass_.batch().scores;
  if (scores.empty()) return rows;
  rows.resize(round32(long(rows.size())), 0);
  rows.insert(rows.end(), scores.begin(), scores.end());
  return rows;
}

logprob::Forward CpuEngine::vocabulary_arguments(Outputs& out) {
  logprob::Forward f{};
  f.head = &weights_.vocabulary.w, f.V = network_.vocabulary, f.hidden = head_out_, f.R = long(rows_.size()), f.targets = targets_.data();
  f.logprob = out.logprob.data(), f.lse = out.lse.data();
  f.entropy = out.entropy.empty() ? nullptr : out.entropy.data(), f.mean = out.mean.empty() ? nullptr : out.mean.data();
  if (!weights_.vocabulary_bias.w.empty()) f.bias = weights_.vocabulary_bias.w.data();
  return f;
}

logprob::Candidates CpuEngine::candidate_arguments(Outputs& out) {
  const std::vector<int>& ids = pass_.batch().candidates;
  return {vocabulary_arguments(out), long(ids.size() / rows_.size()), ids.data(), out.candidates.data()};
}

// The scored rows of the normed matrix.
score::Rows CpuEngine::score_arguments() const {
  const long first = round32(long(rows_.size()));
  return {options_.dtype, head_out_ + first * axes_.H * bytes_of(options_.dtype), axes_.H, long(pass_.batch().scores.size()),
          pass_.set().head.w.data()};
}

void CpuEngine::give_outputs(Outputs& out) {
  const size_t R = rows_.size(), S = pass_.batch().scores.size();
  const ForwardOptions& o = pass_.options();
  out.logprob.assign(R, 0.f), out.lse.assign(R, 0.f), out.entropy.assign(o.entropy ? R : 0, 0.f), out.mean.assign(o.mean ? R : 0, 0.f);
  if (R) {
    const logprob::Forward f = vocabulary_arguments(out);
    head_work_.reserve(logprob::forward_bytes(f, team_.size()));
    logprob::forward(team_, f, head_work_.as<char>());
    give_other_ids(out);
  }
  out.score.assign(S, 0.f);
  if (S) score::forward(score_arguments(), out.score.data());
}

// What a distillation asks beside the targets: the ids that the batch names, and the likeliest.
void CpuEngine::give_other_ids(Outputs& out) {
  const std::vector<int>& ids = pass_.batch().candidates;
  out.candidates.assign(ids.size(), 0.f);
  if (!ids.empty()) logprob::candidates(team_, candidate_arguments(out));
  const long top = pass_.options().top;
  const size_t count = rows_.size() * size_t(top);
  out.top_ids.assign(count, 0), out.top.assign(count, 0.f);
  if (!count) return;
  const logprob::Top t{vocabulary_arguments(out), top, out.top_ids.data(), out.top.data()};
  head_work_.reserve(logprob::top_bytes(t, team_.size()));
  logprob::top(team_, t, head_work_.as<char>());
}

// d (R, H): the gradient of the rows that make logits.
void CpuEngine::vocabulary_back(const Gradients& g, char* d) {
  const auto given = [](const std::optional<std::vector<float>>& v) { return v ? v->data() : nullptr; };
  const auto trained = [](std::vector<float>& gradient) { return gradient.empty() ? nullptr : gradient.data(); };
  logprob::Backward b{};
  b.f = vocabulary_arguments(kept_outputs_), b.g = g.logprob.data();
  b.g_lse = given(g.lse), b.g_entropy = given(g.entropy), b.g_mean = given(g.mean);
  b.dhidden = d, b.dweight = trained(weights_.vocabulary.gradient), b.dbias = trained(weights_.vocabulary_bias.gradient);
  head_work_.reserve(logprob::backward_bytes(b, team_.size()));
  if (pass_.batch().candidates.empty()) return logprob::backward(team_, b, head_work_.as<char>());
  logprob::candidates_backward(team_, b, candidate_arguments(kept_outputs_), g.candidates->data(), head_work_.as<char>());
}

}  // namespace attune
