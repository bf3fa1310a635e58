// Backward: from the gradient of each log-probability to the gradients of everything trained. Mirrors forward.cpp from its end to its beginning.
//
//   dx_  (M, H)  gradient of a layer's output on entry, of its input on exit
//   dh_  (M, H)  gradient of the rows between attention and MLP          dn_ (M, H)  gradient of normed rows
#include "base/error.h"
#include "kernels/embedding/embedding.h"
#include "kernels/swiglu/swiglu.h"
#include "transformer/cpu/cpu_engine.h"
#include "transformer/cpu/passes.h"
#include <algorithm>
#include <numeric>

namespace attune {

static float number(const void* x, long at, DType t) {
  return t == DType::f32 ? static_cast<const float*>(x)[at] : to_float(static_cast<const bf16*>(x)[at]);
}

// y (N, H) = the sum of the rows r of x (R, H) with rows[r] there, for columns k .. k + 32; rows without one are left alone. A position may be
// read many times (a prompt's last token by the first of each answer, a value beside a log-probability): summed in fp32 and rounded once, as
// rounding after each of 64 adds would lose a tenth of a small one. In the order of `order`, which goes by places.
static void add_by_place(void* y, const void* x, const std::vector<int>& rows, const std::vector<long>& order, long k, long H, DType t) {
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

// The buffers of a pass belong to its batch and its adapter; only that pass as a whole may be gone back through.
void CpuEngine::lose_pass(const char* why) {
  if (can_backward_) why_lost_ = why;
  can_backward_ = passed_ = false;
}

// Every gradient has the length of what the pass gave; what it did not give has none.
void CpuEngine::check_gradients(const Gradients& g) const {
  auto check = [](const char* name, const std::vector<float>& given, size_t expected, const char* what) {
    if (given.size() != expected)
      throw Error("model_arguments", std::string("backward: ") + name + ": expected " + std::to_string(expected) + " numbers, " + what +
                                         ", got " + std::to_string(given.size()));
  };
  const Outputs& o = kept_outputs_;
  auto given = [&](const char* name, const std::optional<std::vector<float>>& v, size_t expected, const char* what) {
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

void CpuEngine::backward(const Gradients& gradient) {
  if (!can_backward_)
    throw Error("model_arguments", "backward needs a forward pass with keep: true before it" +
                                       (why_lost_ ? std::string("; ") + why_lost_ + ", so that the one that was kept is gone" : ""));
  check_gradients(gradient);
  lose_pass("a backward went through it already");
  const long N = batch_.N();
  for (Memory* m : {&dx_, &dh_, &dn_}) m->reserve(bytes(N, axes.H));
  dattended_.reserve(bytes(N, axes.Q)), dqkv_.reserve(bytes(N, axes.C));
  for (long i = 0; i < network.layers; i++)
    for (int g = 0; g < 4; g++) dlow_[g].reserve(bytes(N, lora(i, g) ? lora(i, g)->R : 0));
  memset(dx_.as<char>(), 0, bytes(N, axes.H));
  backward_head(gradient);
  for (long i = network.layers - 1; i >= 0; i--) {
    check_stop();
    Kept& kept = kept_[each_layer_ ? i : 0];
    const void* in = inputs_[i].as<char>();
    // Recomputed into the output buffer of this layer: it is the input of the one above, which is done.
    if (options.recompute) forward_layer(i, kept, in, inputs_[i + 1].as<char>());
    backward_layer(i, kept, in);
  }
  if (options.train != Train::all) return;
  std::vector<float>& dw = network.tied ? head_gradient_ : embedding_gradient_;
  team.tasks(axes.H / 32, [&](long k, int) {
    embedding::backward(dx_.as<char>(), options.dtype, batch_.tokens.data(), N, axes.H, dw.data(), k * 32, k * 32 + 32);
  });
  if (network.encoder) encoder_embedding_gradients();
}

// Both heads and the last norm, on the rows that they read; gradients are added at the rows' places, all others are zero.
void CpuEngine::backward_head(const Gradients& g) {
  const std::vector<int> rows = head_rows();
  const long R = long(rows.size());
  dcompact_.reserve(bytes(R, axes.H));
  if (!rows_.empty()) backward_vocabulary(g);
  if (!batch_.scores.empty()) {
    const long first = round32(long(rows_.size()));
    score::backward(score_arguments(), g.score->data(), dcompact_.as<char>() + first * axes.H * bytes_of(options.dtype),
                    active_->head.gradient.empty() ? nullptr : active_->head.gradient.data());
  }
  network.encoder ? encoder_backward_head(R) : backward_last_norm(R);
  std::vector<long> order(rows.size());
  std::iota(order.begin(), order.end(), 0L);
  std::stable_sort(order.begin(), order.end(), [&](long a, long b) { return rows[a] < rows[b]; });
  team.tasks(axes.H / 32,
             [&](long k, int) { add_by_place(dx_.as<char>(), dcompact_.as<char>(), rows, order, k * 32, axes.H, options.dtype); });
}

// dcompact_ (R, H): from the gradient of the normed rows to that of the rows.
void CpuEngine::backward_last_norm(long R) {
  const rms_norm::Forward f = layer_norm(norm_, compact_.as<char>(), nullptr, compact_inverse_);
  const rms_norm::Backward n{f.s, f.x, f.w, f.inverse, dcompact_.as<char>(), nullptr, dcompact_.as<char>()};
  if (!norm_.gradient.empty()) last_norm_gradient(n, R);
  const std::vector<float> logit_w = logit_norm();
  team.rows(R, [&](long first, long last, int) {
    const long border = std::clamp(logit_rows(R), first, last);
    if (border < last) rms_norm::backward(n, border, last);
    rms_norm::Backward of_logits = n;
    of_logits.w = logit_w.data();
    if (first < border) rms_norm::backward(of_logits, first, border);
  });
}

// Where logits were divided by a temperature, so is their part of the gradient.
void CpuEngine::last_norm_gradient(const rms_norm::Backward& n, long rows) {
  if (forward_.temperature == 1) return norm_gradient(n, rows, norm_.gradient);
  const long border = logit_rows(rows);
  std::vector<float> of_logits(norm_.gradient.size(), 0.f);
  norm_gradient(n, border, of_logits);
  for (size_t k = 0; k < of_logits.size(); k++) norm_.gradient[k] += of_logits[k] / forward_.temperature;
  if (border == rows) return;
  const long past = border * axes.H * bytes_of(options.dtype);
  rms_norm::Backward of_scores = n;
  of_scores.x = static_cast<const char*>(n.x) + past, of_scores.dy = static_cast<const char*>(n.dy) + past, of_scores.inverse += border;
  norm_gradient(of_scores, rows - border, norm_.gradient);
}

void CpuEngine::backward_vocabulary(const Gradients& g) {
  auto given = [&](const std::optional<std::vector<float>>& v) { return v ? v->data() : nullptr; };
  logprob::Backward b{head_arguments(kept_outputs_),
                      g.logprob.data(),
                      given(g.lse),
                      given(g.entropy),
                      given(g.mean),
                      dcompact_.as<char>(),
                      head_gradient_.empty() ? nullptr : head_gradient_.data(),
                      encoder_.bias_gradient.empty() ? nullptr : encoder_.bias_gradient.data()};
  head_work_.reserve(logprob::backward_bytes(b, team.size()));
  if (batch_.candidates.empty()) return logprob::backward(team, b, head_work_.as<char>());
  logprob::candidates_backward(team, b, candidate_arguments(kept_outputs_), g.candidates->data(), head_work_.as<char>());
}

void CpuEngine::backward_layer(long i, Kept& kept, const void* in) {
  const bool below = i || options.train == Train::all;
  network.encoder ? encoder_backward_mlp_and_output(i, kept) : backward_mlp_and_output(i, kept);
  backward_attention(i, kept);
  network.encoder ? encoder_backward_qkv(i, kept, in) : backward_qkv(i, kept, in);
  weight_gradients(i, kept);
  if (below) network.encoder ? encoder_backward_norm1(i, kept, in) : backward_norm1(i, kept, in);
}

// dP = s dY B of a group.
void CpuEngine::backward_low_rank(long i, int group, const void* dy, long first, long last, int thread) {
  if (const lora_matmul::Group* g = lora(i, group))
    lora_matmul::down_backward(*g, dy, g->N, 0, dlow_[group].as<char>(), first, last, workspace(thread));
}

// With dropout the low-rank term's part of dX passes the mask: dX += mask (dP A), apart from the base product.
void CpuEngine::add_dropped_term(long i, int group, void* dx, long first, long last, int thread) {
  const lora_matmul::Group* g = lora(i, group);
  if (!g) return;
  void* term = scratch_rows(thread, first, g->K);
  matmul::Product p{};
  p.a = dlow_[group].as<char>(), p.a_columns = g->R, p.w = &g->a, p.transposed = true, p.finish = matmul::Finish::store, p.c = term,
  p.c_columns = g->K, p.scale = 1;
  matmul::rows(p, first, last, workspace(thread));
  dropout::add(site(i, group), term, dx, g->K, first, last);
}

// A transposed product of a group with all that its adapter adds.
void CpuEngine::back_product(long i, int group, matmul::Product p, long first, long last, int thread) {
  backward_low_rank(i, group, p.a, first, last, thread);
  if (!forward_.dropout) p.low = low_term(i, group, dlow_[group], true);
  matmul::rows(p, first, last, workspace(thread));
  if (forward_.dropout) add_dropped_term(i, group, p.c, first, last, thread);
}

void CpuEngine::backward_mlp_and_output(long i, Kept& kept) {
  const Layer& l = layers_[i];
  passes(team, batch_.N(), [&](long first, long last, int thread) {
    auto back = [&](int group, const void* dy, matmul::Finish finish, void* dx, long columns) {
      matmul::Product p = product(l.group[group], true, dy, finish, dx, columns);
      p.kept = kept.gate_up.as<char>();
      back_product(i, group, p, first, last, thread);
    };
    // Down: the epilogue turns gate|up into their gradients and gives the activation again; with dropout the two are apart.
    if (forward_.dropout) {
      back(kDown, dx_.as<char>(), matmul::Finish::store, act_.as<char>(), axes.I);
      swiglu::backward(swiglu::Activation::silu, options.dtype, kept.gate_up.as<char>(), act_.as<char>(), act_.as<char>(), axes.I, first,
                       last);
    } else {
      back(kDown, dx_.as<char>(), matmul::Finish::swiglu_backward, act_.as<char>(), axes.I);
    }
    back(kGateUp, kept.gate_up.as<char>(), matmul::Finish::store, dn_.as<char>(), axes.H);
    const rms_norm::Forward n = layer_norm(l.norm2, kept.h.as<char>(), normed2_.as<char>(), kept.inverse2);
    rms_norm::backward({n.s, n.x, n.w, n.inverse, dn_.as<char>(), dx_.as<char>(), dh_.as<char>()}, first, last);
    if (trains(i, kGateUp)) rms_norm::forward(n, first, last);  // the input of gate|up again, for their gradients
    back(kO, dh_.as<char>(), matmul::Finish::store, dattended_.as<char>(), axes.Q);
  });
  // The weight gradient of the norm reads dn_ before attention's pass reuses it.
  if (!l.norm2.gradient.empty()) {
    const rms_norm::Forward n = layer_norm(l.norm2, kept.h.as<char>(), nullptr, kept.inverse2);
    norm_gradient({n.s, n.x, n.w, n.inverse, dn_.as<char>(), nullptr, nullptr}, batch_.N(), layers_[i].norm2.gradient);
  }
}

void CpuEngine::backward_attention(long i, Kept& kept) {
  if (network.query_key_norm) team.rows(batch_.N(), [&](long first, long last, int) { norm_heads(i, kept, first, last); });
  const void* qkv = network.query_key_norm ? normed_qkv_.as<char>() : kept.qkv.as<char>();
  const attention::Shape shape = attention_shape(i);
  attention_work_.reserve(attention::backward_bytes(shape, team.size()));
  attention::backward(team, {shape, qkv, kept.attended.as<char>(), dattended_.as<char>(), kept.lse.as<float>(), dqkv_.as<char>()},
                      attention_work_.as<char>());
  if (!network.query_key_norm) return;
  for (const bool queries : {true, false}) {
    const rms_norm::Forward f = head_norm(i, kept, queries);
    const rms_norm::Backward b{f.s, f.x, f.w, f.inverse, dqkv_.as<char>(), nullptr, dqkv_.as<char>()};
    std::vector<float>& gradient = (queries ? layers_[i].q_norm : layers_[i].k_norm).gradient;
    if (!gradient.empty()) norm_gradient(b, batch_.N(), gradient);
    team.rows(batch_.N(), [&](long first, long last, int) { rms_norm::backward(b, first, last); });
  }
}

void CpuEngine::backward_qkv(long i, Kept& kept, const void* in) {
  const Linear& qkv = layers_[i].group[kQkv];
  const bool below = i || options.train == Train::all;  // below the first layer nothing is trained
  passes(team, batch_.N(), [&](long first, long last, int thread) {
    if (trains(i, kQkv)) rms_norm::forward(layer_norm(layers_[i].norm1, in, normed1_.as<char>(), kept.inverse1), first, last);
    if (!below) return backward_low_rank(i, kQkv, dqkv_.as<char>(), first, last, thread);
    back_product(i, kQkv, product(qkv, true, dqkv_.as<char>(), matmul::Finish::store, dn_.as<char>(), axes.H), first, last, thread);
  });
}

void CpuEngine::backward_norm1(long i, Kept& kept, const void* in) {
  const rms_norm::Forward f = layer_norm(layers_[i].norm1, in, nullptr, kept.inverse1);
  const rms_norm::Backward b{f.s, f.x, f.w, f.inverse, dn_.as<char>(), dh_.as<char>(), dx_.as<char>()};
  if (!layers_[i].norm1.gradient.empty()) norm_gradient(b, batch_.N(), layers_[i].norm1.gradient);
  team.rows(batch_.N(), [&](long first, long last, int) { rms_norm::backward(b, first, last); });
}

}  // namespace attune
