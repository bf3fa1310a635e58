// Gradients of weights: products that contract the tokens. Each task owns columns and adds all tokens in ascending order: the same bits for any
// number of threads.
#include "transformer/cpu/cpu_engine.h"

namespace attune {

// Column blocks per task: a task turns the left side once for all its columns, so more are better (9: 1,550 GF/s on AMX, 4: 1,150, measured alone), and
// 288 columns still give SmolLM2-135M's narrowest matrix (576 inputs) a task for each of two threads.
constexpr long kColumns = 9;

void CpuEngine::weight_gradients(long i, Kept& kept) {
  linear_gradients(i, kQkv, normed1_.as<char>(), dqkv_.as<char>(), kept);
  linear_gradients(i, kO, kept.attended.as<char>(), dh_.as<char>(), kept);
  // gate_up holds its gradient by now and act_ the activation; of an encoder it is the other way round.
  const Memory &dup = network.encoder ? act_ : kept.gate_up, &act = network.encoder ? kept.gate_up : act_;
  linear_gradients(i, kGateUp, normed2_.as<char>(), dup.as<char>(), kept);
  linear_gradients(i, kDown, act.as<char>(), dx_.as<char>(), kept);
  run_gradient_tasks();
}

void CpuEngine::run_gradient_tasks() {
  std::vector<lora_matmul::GradientTask>& tasks = gradient_tasks_;
  team.tasks(long(tasks.size()), [&](long t, int) { matmul::contract(tasks[t].contract, tasks[t].from, tasks[t].to); });
  tasks.clear();
}

// dW += dY^T X as tasks, and db += sums of dY, over the first rows; of dY what follows up to the end of the block is zero.
void CpuEngine::whole_gradients(Linear& l, const void* x, const void* dy, long rows) {
  const matmul::Contract c{dy, l.w.N, 0, l.w.N, x, l.w.K, 0, l.w.K, rows, options.dtype, l.gradient.data()};
  for (long k = 0; k < l.w.K / 32; k += kColumns) gradient_tasks_.push_back({c, k, std::min(l.w.K / 32, k + kColumns)});
  if (l.bias_gradient.empty()) return;
  team.tasks(l.w.N / 32,
             [&](long n, int) { matmul::column_sums(dy, options.dtype, rows, l.w.N, n * 32, 32, l.bias_gradient.data() + n * 32); });
}

// Rows past the last hold whatever a longer batch left there; a product that contracts tokens must meet zeros on one side.
void CpuEngine::zero_tail(void* x, long columns, long rows) const {
  const long size = bytes_of(options.dtype);
  if (rows % 32 == 0) return;
  for (long k = 0; k < columns; k += 32)
    memset(static_cast<char*>(x) + rows_index(rows, k, columns) * size, 0, (32 - rows % 32) * 32 * size);
}

void CpuEngine::linear_gradients(long i, int group, const void* x, void* dy, Kept& kept) {
  const long N = batch_.N();
  if (options.train != Train::all) return low_rank_gradients(i, group, x, dy, kept.low[group], N);
  Linear& l = layers_[i].group[group];
  zero_tail(dy, l.w.N, N);
  whole_gradients(l, x, dy, N);
}

// dA += dP^T X and dB += dY^T P as tasks, over the first rows, where the group's adapter is trained.
void CpuEngine::low_rank_gradients(long i, int group, const void* x, const void* dy, const Memory& low, long rows) {
  lora_matmul::Group* g = lora(i, group);
  if (!g || !active_->trained || !rows) return;
  zero_tail(dlow_[group].as<char>(), g->R, rows), zero_tail(low.as<char>(), g->R, rows);
  if (forward_.dropout) {  // the low-rank term saw what dropout left of x; its tasks must end before the next group's use of the buffer
    dropped_.reserve(bytes(rows, g->K));
    team.rows(rows, [&](long first, long last, int) { dropout::run(site(i, group), x, dropped_.as<char>(), g->K, first, last); });
    x = dropped_.as<char>();
  }
  lora_matmul::gradient_tasks(*g, x, g->K, 0, dlow_[group].as<char>(), low.as<char>(), dy, g->N, 0, rows, gradient_tasks_);
  if (!forward_.dropout) return;
  run_gradient_tasks();
}

void CpuEngine::norm_gradient(const rms_norm::Backward& b, long M, std::vector<float>& gradient) {
  team.tasks(b.s.size / 32, [&](long k, int) { rms_norm::weight_gradient(b, M, gradient.data(), k * 32, k * 32 + 32); });
}

}  // namespace attune
