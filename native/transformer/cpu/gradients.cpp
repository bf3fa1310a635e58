// Gradients of weights: products that contract the tokens. Each task owns columns and adds all tokens in ascending order: the same bits for any
// number of threads.
#include "transformer/cpu/pass.h"
#include <algorithm>
#include <cstring>

namespace attune {

// Column blocks per task: a task turns the left side once for all its columns, so more are better (9: 1,550 GF/s on AMX, 4: 1,150, measured alone), and
// 288 columns still give SmolLM2-135M's narrowest matrix (576 inputs) a task for each of two threads.
constexpr long kColumns = 9;

void Pass::run_gradients() {
  std::vector<lora_matmul::GradientTask>& tasks = gradient_tasks_;
  team_.tasks(long(tasks.size()), [&](long t, int) { matmul::contract(tasks[t].contract, tasks[t].from, tasks[t].to); });
  tasks.clear();
}

// dW += dY^T X as tasks, and db += sums of dY, over the first rows; of dY what follows up to the end of the block is zero.
void Pass::whole_gradients(Linear& l, const void* x, const void* dy, long rows) {
  const matmul::Weights& w = l.weight.w;
  const matmul::Contract c{dy, w.N, 0, w.N, x, w.K, 0, w.K, rows, options_.dtype, l.weight.gradient.data()};
  for (long k = 0; k < w.K / 32; k += kColumns) gradient_tasks_.push_back({c, k, std::min(w.K / 32, k + kColumns)});
  std::vector<float>& bias = l.bias.gradient;
  if (bias.empty()) return;
  team_.tasks(w.N / 32, [&](long n, int) { matmul::column_sums(dy, options_.dtype, rows, w.N, n * 32, 32, bias.data() + n * 32); });
}

// Rows past the last hold whatever a longer batch left there; a product that contracts tokens must meet zeros on one side.
void Pass::zero_tail(void* x, long columns, long rows) const {
  const long size = bytes_of(options_.dtype);
  if (rows % 32 == 0) return;
  for (long k = 0; k < columns; k += 32)
    memset(static_cast<char*>(x) + rows_index(rows, k, columns) * size, 0, (32 - rows % 32) * 32 * size);
}

void Pass::linear_gradient(long i, int group, int x, int dy) {
  const long rows = rows_of(i);
  if (options_.train != Train::all) return low_rank_gradients(i, group, at(i, x), at(i, dy), rows);
  Linear& l = weights_.layers[i].group[group];
  zero_tail(at(i, dy), l.weight.w.N, rows);
  whole_gradients(l, at(i, x), at(i, dy), rows);
}

// dA += dP^T X and dB += dY^T P as tasks, over the first rows, where the group's adapter is trained.
void Pass::low_rank_gradients(long i, int group, const void* x, const void* dy, long rows) {
  lora_matmul::Group* g = factors(i, group);
  if (!g || !set_->trained || !rows) return;
  char *low = buffers_.kept(i).low[group].as<char>(), *dlow = dlow_[group].as<char>();
  zero_tail(dlow, g->R, rows), zero_tail(low, g->R, rows);
  if (forward_.dropout) {  // the low-rank term saw what dropout left of x; its tasks must end before the next group's use of the buffer
    dropped_.reserve(buffers_.bytes(rows, g->K));
    team_.rows(rows, [&](long first, long last, int) { dropout::run(site(i, group), x, dropped_.as<char>(), g->K, first, last); });
    x = dropped_.as<char>();
  }
  lora_matmul::gradient_tasks(*g, x, g->K, 0, dlow, low, dy, g->N, 0, rows, gradient_tasks_);
  if (forward_.dropout) run_gradients();
}

void Pass::rms_gradient(const rms_norm::Backward& b, long rows, std::vector<float>& gradient) {
  team_.tasks(b.s.size / 32, [&](long k, int) { rms_norm::weight_gradient(b, rows, gradient.data(), k * 32, k * 32 + 32); });
}

// Adds to the norm's gradients where it is trained; before dy is overwritten.
void Pass::norm_gradient(long i, int which, int x, int dy) {
  Norm& n = weights_.layers[i].norm[which];
  if (n.w.gradient.empty()) return;
  const long rows = rows_of(i);
  if (network_.norm == NormKind::layer) {
    const layer_norm::Forward f = mean_and_variance(i, which, at(i, x), nullptr);
    const layer_norm::Backward b{f.s, f.x, f.w, f.mean, f.inverse, at(i, dy), nullptr, nullptr};
    float* const bias = n.b.gradient.empty() ? nullptr : n.b.gradient.data();
    return team_.tasks(axes_.H / 32,
                       [&](long k, int) { layer_norm::weight_gradient(b, rows, n.w.gradient.data(), bias, k * 32, k * 32 + 32); });
  }
  const rms_norm::Forward f = rms(i, which, at(i, x), nullptr);
  const rms_norm::Backward b{f.s, f.x, f.w, f.inverse, at(i, dy), nullptr, nullptr};
  i == head_&& which == kLastNorm ? last_norm_gradient(b) : rms_gradient(b, rows, n.w.gradient);
}

// Where logits were divided by a temperature, so is their part of the gradient.
void Pass::last_norm_gradient(const rms_norm::Backward& b) {
  std::vector<float>& gradient = weights_.layers[head_].norm[kLastNorm].w.gradient;
  const long rows = long(head_at_.size()), border = head_logits_;
  if (forward_.temperature == 1) return rms_gradient(b, rows, gradient);
  std::vector<float> of_logits(gradient.size(), 0.f);
  rms_gradient(b, border, of_logits);
  for (size_t k = 0; k < of_logits.size(); k++) gradient[k] += of_logits[k] / forward_.temperature;
  if (border == rows) return;
  const long past = border * axes_.H * bytes_of(options_.dtype);
  rms_norm::Backward of_scores = b;
  of_scores.x = static_cast<const char*>(b.x) + past, of_scores.dy = static_cast<const char*>(b.dy) + past, of_scores.inverse += border;
  rms_gradient(of_scores, rows - border, gradient);
}

}  // namespace attune
