// The pieces of a backward pass.
#include "kernels/embedding/embedding.h"
#include "kernels/swiglu/swiglu.h"
#include "transformer/cpu/pass.h"
#include <algorithm>
#include <cstring>
#include <numeric>

namespace attune {
namespace {

float number(const void* x, long at, DType t) {
  return t == DType::f32 ? static_cast<const float*>(x)[at] : to_float(static_cast<const bf16*>(x)[at]);
}

// y (N, H) = the sum of the rows r of x (R, H) with rows[r] there, for columns k .. k + 32; rows without one are left alone. A position may be
// read many times (a prompt's last token by the first of each answer, a value beside a log-probability): summed in fp32 and rounded once, as
// rounding after each of 64 adds would lose a tenth of a small one. In the order of `order`, which goes by places.
void add_by_place(void* y, const void* x, const std::vector<int>& rows, const std::vector<long>& order, long k, long H, DType t) {
  for (size_t from = 0, to = 0; from < order.size(); from = to) {
    const int place = rows[order[from]];
    float sum[32] = {};
    for (to = from; to < order.size() && rows[order[to]] == place; to++)
      for (long j = 0; j < 32; j++) sum[j] += number(x, rows_index(order[to], k, H) + j, t);
    for (long j = 0; j < 32; j++)
      if (t == DType::f32)
        static_cast<float*>(y)[rows_index(place, k, H) + j] = sum[j];
      else
        store(static_cast<bf16*>(y) + rows_index(place, k, H) + j, sum[j]);
  }
}

layer_norm::Backward back_of(const layer_norm::Forward& f, const void* dy, const void* beside, void* dx) {
  return {f.s, f.x, f.w, f.mean, f.inverse, dy, beside, dx};
}
rms_norm::Backward back_of(const rms_norm::Forward& f, const void* dy, const void* beside, void* dx) {
  return {f.s, f.x, f.w, f.inverse, dy, beside, dx};
}

}  // namespace

// Gradients are added at the places of the rows that a head read; all others are zero.
void Pass::scatter_head_gradient(int d) {
  std::vector<long> order(head_at_.size());
  std::iota(order.begin(), order.end(), 0L);
  std::stable_sort(order.begin(), order.end(), [&](long a, long b) { return head_at_[a] < head_at_[b]; });
  const char* from = at(head_, buffers_.list().head_gradient);
  team_.tasks(axes_.H / 32, [&](long k, int) { add_by_place(at(0, d), from, head_at_, order, k * 32, axes_.H, options_.dtype); });
}

void Pass::norm_back(Run run, long i, int which, int x, int dy, int beside, int dx) {
  const void* through = beside == none ? nullptr : at(i, beside);
  if (network_.norm == NormKind::layer)
    return layer_norm::backward(back_of(mean_and_variance(i, which, at(i, x), nullptr), at(i, dy), through, at(i, dx)), run.first,
                                run.last);
  const rms_norm::Backward b = back_of(rms(i, which, at(i, x), nullptr), at(i, dy), through, at(i, dx));
  i == head_&& which == kLastNorm ? last_norm_back(run, b) : rms_norm::backward(b, run.first, run.last);
}

void Pass::last_norm_back(Run run, const rms_norm::Backward& b) const {
  const long border = std::clamp(head_logits_, run.first, run.last);
  if (border < run.last) rms_norm::backward(b, border, run.last);
  rms_norm::Backward of_logits = b;
  of_logits.w = logit_norm_.data();
  if (run.first < border) rms_norm::backward(of_logits, run.first, border);
}

// dP = s dY B of a group.
void Pass::low_rank_back(Run run, long i, int group, const void* dy) {
  if (const lora_matmul::Group* g = factors(i, group))
    lora_matmul::down_backward(*g, dy, g->N, 0, dlow_[group].as<char>(), run.first, run.last, workspace(run.thread));
}

// With dropout the low-rank term's part of dX passes the mask: dX += mask (dP A), apart from the base product.
void Pass::add_dropped_term(Run run, long i, int group, void* dx) {
  const lora_matmul::Group* g = factors(i, group);
  if (!g) return;
  void* term = scratch_rows(run, g->K);
  matmul::Product p{};
  p.a = dlow_[group].as<char>(), p.a_columns = g->R, p.w = &g->a, p.transposed = true, p.finish = matmul::Finish::store, p.c = term,
  p.c_columns = g->K, p.scale = 1;
  matmul::rows(p, run.first, run.last, workspace(run.thread));
  dropout::add(site(i, group), term, dx, g->K, run.first, run.last);
}

// A transposed product of a group with all that its adapter adds.
void Pass::product_back(Run run, long i, int group, matmul::Product p) {
  low_rank_back(run, i, group, p.a);
  const lora_matmul::Group* g = factors(i, group);
  if (g && !forward_.dropout) p.low = lora_matmul::backward_term(*g, dlow_[group].as<char>());
  matmul::rows(p, run.first, run.last, workspace(run.thread));
  if (forward_.dropout) add_dropped_term(run, i, group, p.c);
}

void Pass::linear_back(Run run, long i, int group, int dy, int beside, int dx) {
  if (dx == none) return low_rank_back(run, i, group, at(i, dy));
  const Linear& l = weights_.layers[i].group[group];
  matmul::Product p = product(l, true, at(i, dy), beside == none ? matmul::Finish::store : matmul::Finish::add, at(i, dx), l.weight.w.K);
  if (beside != none) p.residual = at(i, beside);
  product_back(run, i, group, p);
}

// SwiGLU's backward pass is an epilogue of the product; with dropout, or another activation, the two are apart.
void Pass::linear_gated_back(Run run, long i, int dy, int up, int y) {
  const Linear& l = weights_.layers[i].group[kDown];
  if (network_.gated && network_.activation == swiglu::Activation::silu && !forward_.dropout) {
    matmul::Product p = product(l, true, at(i, dy), matmul::Finish::swiglu_backward, at(i, y), axes_.I);
    p.kept = at(i, up);
    return product_back(run, i, kDown, p);
  }
  linear_back(run, i, kDown, dy, none, y);
  if (network_.gated)
    return swiglu::backward(network_.activation, options_.dtype, at(i, up), at(i, y), at(i, y), axes_.I, run.first, run.last);
  ungated_back(run, at(i, up), at(i, y));
}

// On entry y is the gradient of what was active: it becomes that of `up`, and takes its place.
void Pass::ungated_back(Run run, char* up, char* y) {
  const long I = axes_.I, size = bytes_of(options_.dtype);
  char* const active = static_cast<char*>(scratch_rows(run, I));
  swiglu::unary(network_.activation, options_.dtype, up, active, I, run.first, run.last);
  swiglu::unary_backward(network_.activation, options_.dtype, up, y, y, I, run.first, run.last);
  const long from = rows_index(run.first, 0, I) * size, bytes = (rows_index(round32(run.last), 0, I) - rows_index(run.first, 0, I)) * size;
  memcpy(up + from, y + from, bytes), memcpy(y + from, active + from, bytes);
}

void Pass::activate_back(Run run, long i, int x, int dy, int dx) {
  const long columns = i == head_ ? axes_.H : axes_.I;
  swiglu::unary_backward(network_.activation, options_.dtype, at(i, x), at(i, dy), at(i, dx), columns, run.first, run.last);
}

void Pass::attention_back(long i, int qkv, int y, int dy, int dqkv) {
  const attention::Shape shape = attention_shape(i);
  attention_work_.reserve(attention::backward_bytes(shape, team_.size()));
  attention::backward(team_, {shape, at(i, qkv), at(i, y), at(i, dy), buffers_.kept(i).lse.as<float>(), at(i, dqkv)},
                      attention_work_.as<char>());
}

void Pass::head_norms_back(long i, int qkv, int dqkv) {
  for (const int which : {kQueryNorm, kKeyNorm}) {
    const rms_norm::Backward b = back_of(head_rms(i, which, at(i, qkv), nullptr), at(i, dqkv), nullptr, at(i, dqkv));
    std::vector<float>& gradient = weights_.layers[i].norm[which].w.gradient;
    if (!gradient.empty()) rms_gradient(b, batch_.N(), gradient);
    rows([&](Run run) { rms_norm::backward(b, run.first, run.last); });
  }
}

// The sums of word, position and type: each row's gradient goes to all that there are.
void Pass::embed_back(int d) {
  const long N = batch_.N();
  team_.tasks(axes_.H / 32, [&](long k, int) {
    const auto add = [&](const std::vector<int>& ids, Matrix& m) {
      if (!m.gradient.empty())
        embedding::backward(at(0, d), options_.dtype, ids.data(), N, axes_.H, m.gradient.data(), k * 32, k * 32 + 32);
    };
    add(batch_.tokens, weights_.words()), add(places_, weights_.positions), add(zeros_, weights_.types);
  });
}

}  // namespace attune
