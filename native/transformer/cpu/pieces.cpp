// The pieces of a forward pass.
#include "kernels/embedding/embedding.h"
#include "kernels/swiglu/swiglu.h"
#include "transformer/cpu/pass.h"
#include <algorithm>
#include <cmath>
#include <cstring>

namespace attune {
namespace {

// x += y + z over rows first .. last (whole blocks), in fp32, rounded once; z may be null.
template <class T> void add_both(T* x, const T* y, const T* z, long H, long first, long last) {
  for (long i = rows_index(first, 0, H); i < rows_index(round32(last), 0, H); i++)
    store(x + i, to_float(x[i]) + to_float(y[i]) + (z ? to_float(z[i]) : 0.f));
}

}  // namespace

// y (N, H) = word (+ position + type); tokens are of type 0.
void Pass::embed(int y) {
  const long N = batch_.N(), H = axes_.H;
  char* const x = at(0, y);
  const bool placed = network_.positions == PositionKind::table, typed = network_.types > 0;
  zeros_.assign(typed ? N : 0, 0);
  if (placed || typed) embedded_[0].reserve(buffers_.bytes(N, H)), embedded_[1].reserve(buffers_.bytes(typed && placed ? N : 0, H));
  char *first_part = embedded_[0].as<char>(), *second = placed && typed ? embedded_[1].as<char>() : nullptr;
  team_.rows(N, [&](long first, long last, int) {
    embedding::forward(weights_.words().w, batch_.tokens.data(), N, x, first, last);
    if (!placed && !typed) return;
    if (placed) embedding::forward(weights_.positions.w, places_.data(), N, first_part, first, last);
    if (typed) embedding::forward(weights_.types.w, zeros_.data(), N, placed ? second : first_part, first, last);
    if (options_.dtype == DType::f32)
      add_both((float*)x, (const float*)first_part, (const float*)second, H, first, last);
    else
      add_both((bf16*)x, (const bf16*)first_part, (const bf16*)second, H, first, last);
  });
}

// The rest of the last layer's output is never read.
void Pass::gather(Run run, int y) {
  const long size = bytes_of(options_.dtype), H = axes_.H;
  const char* x = at(head_, buffers_.list().input);
  for (long r = run.first; r < run.last; r++)
    for (long k = 0; k < H; k += 32) memcpy(at(head_, y) + rows_index(r, k, H) * size, x + rows_index(head_at_[r], k, H) * size, 32 * size);
}

rms_norm::Forward Pass::rms(long i, int which, const void* x, void* y) {
  return {{options_.dtype, axes_.H, 0, 1, axes_.H, network_.hidden, network_.eps},
          x,
          weights_.layers[i].norm[which].w.w.data(),
          y,
          buffers_.kept(i).inverse[which].as<float>()};
}

layer_norm::Forward Pass::mean_and_variance(long i, int which, const void* x, void* y) {
  const Norm& n = weights_.layers[i].norm[which];
  const Kept& k = buffers_.kept(i);
  return {{options_.dtype, axes_.H, network_.hidden, network_.eps},
          x,
          n.w.w.data(),
          n.b.w.empty() ? nullptr : n.b.w.data(),
          y,
          k.mean[which].as<float>(),
          k.inverse[which].as<float>()};
}

void Pass::norm(Run run, long i, int which, int x, int y) {
  if (network_.norm == NormKind::layer)
    layer_norm::forward(mean_and_variance(i, which, at(i, x), at(i, y)), run.first, run.last);
  else if (i == head_ && which == kLastNorm)
    last_norm(run, rms(i, which, at(i, x), at(i, y)));
  else
    rms_norm::forward(rms(i, which, at(i, x), at(i, y)), run.first, run.last);
}

// Rows that make logits, then those with a score.
void Pass::last_norm(Run run, rms_norm::Forward f) const {
  const long border = std::clamp(head_logits_, run.first, run.last);
  if (border < run.last) rms_norm::forward(f, border, run.last);
  f.w = logit_norm_.data();
  if (run.first < border) rms_norm::forward(f, run.first, border);
}

rms_norm::Forward Pass::head_rms(long i, int which, const void* qkv, void* y) {
  const bool queries = which == kQueryNorm;
  return {{options_.dtype, axes_.C, queries ? 0 : axes_.Q, queries ? network_.heads : network_.kv_heads, axes_.D, network_.head_size,
           network_.eps},
          qkv,
          weights_.layers[i].norm[which].w.w.data(),
          y,
          buffers_.kept(i).inverse[which].as<float>()};
}

// Qwen3: queries and keys normed a head at a time into a copy; what came before the norm is kept for its backward pass.
void Pass::head_norms(Run run, long i, int qkv, int y) {
  const long from = rows_index(run.first, 0, axes_.C), to = rows_index(round32(run.last), 0, axes_.C), size = bytes_of(options_.dtype);
  memcpy(at(i, y) + from * size, at(i, qkv) + from * size, (to - from) * size);
  for (const int which : {kQueryNorm, kKeyNorm}) rms_norm::forward(head_rms(i, which, at(i, qkv), at(i, y)), run.first, run.last);
}

matmul::Product Pass::product(const Linear& l, bool transposed, const void* a, matmul::Finish finish, void* c, long c_columns) const {
  matmul::Product p{};
  p.a = a, p.a_columns = transposed ? l.weight.w.N : l.weight.w.K, p.w = &l.weight.w, p.transposed = transposed, p.finish = finish;
  p.c = c, p.c_columns = c_columns, p.scale = 1;
  if (!transposed && !l.bias.w.empty()) p.bias = l.bias.w.data();
  return p;
}

dropout::Site Pass::site(long i, int group) const {
  const std::vector<uint64_t>& keys = i < head_ ? token_keys_ : head_keys_;
  const bool padded = group == kO && i < head_ && !axes_.attended_from.empty();
  return {options_.dtype, forward_.dropout_key, uint64_t(i * 4 + group),
          keys.data(),    set_->dropout,        padded ? axes_.attended_from.data() : nullptr};
}

// A run's worth of rows for this thread, addressed as if the matrix (M, columns) began before it.
void* Pass::scratch_rows(Run run, long columns) {
  return scratch_.as<char>() + (long(run.thread) * kRunRows * widest() - run.first * columns) * bytes_of(options_.dtype);
}

// P = s X A^T of a group, from the inputs themselves or, in training with dropout, from what is left of them.
void Pass::low_rank(Run run, long i, int group, const void* x) {
  const lora_matmul::Group* g = factors(i, group);
  if (!g) return;
  if (forward_.dropout) {
    void* left = scratch_rows(run, g->K);
    dropout::run(site(i, group), x, left, g->K, run.first, run.last);
    x = left;
  }
  lora_matmul::down(*g, x, g->K, 0, buffers_.kept(i).low[group].as<char>(), run.first, run.last, workspace(run.thread));
}

void Pass::product_forward(Run run, long i, int group, matmul::Product p) {
  low_rank(run, i, group, p.a);
  if (const lora_matmul::Group* g = factors(i, group)) p.low = lora_matmul::forward_term(*g, buffers_.kept(i).low[group].as<char>());
  matmul::rows(p, run.first, run.last, workspace(run.thread));
}

void Pass::linear(Run run, long i, int group, int x, int y) {
  const Linear& l = weights_.layers[i].group[group];
  product_forward(run, i, group, product(l, false, at(i, x), matmul::Finish::store, at(i, y), l.weight.w.N));
}

void Pass::linear_add(Run run, long i, int group, int x, int residual, int y) {
  const Linear& l = weights_.layers[i].group[group];
  matmul::Product p = product(l, false, at(i, x), matmul::Finish::add, at(i, y), l.weight.w.N);
  p.residual = at(i, residual);
  product_forward(run, i, group, p);
}

// SwiGLU is an epilogue of the product; other activations take a pass of their own.
void Pass::linear_gated(Run run, long i, int x, int up, int y) {
  const Linear& l = weights_.layers[i].group[kUp];
  if (!network_.gated) return linear(run, i, kUp, x, up), activate(run, i, up, y);
  if (network_.activation != swiglu::Activation::silu) {
    linear(run, i, kUp, x, up);
    return swiglu::forward(network_.activation, options_.dtype, at(i, up), at(i, y), axes_.I, run.first, run.last);
  }
  matmul::Product p = product(l, false, at(i, x), matmul::Finish::swiglu, at(i, y), axes_.I);
  p.kept = at(i, up);
  product_forward(run, i, kUp, p);
}

void Pass::activate(Run run, long i, int x, int y) {
  const long columns = i == head_ ? axes_.H : axes_.I;
  swiglu::unary(network_.activation, options_.dtype, at(i, x), at(i, y), columns, run.first, run.last);
}

attention::Shape Pass::attention_shape(long i) const {
  const auto given = [](const std::vector<int>& v) { return v.empty() ? nullptr : v.data(); };
  attention::Shape s{};
  s.dtype = options_.dtype, s.heads = network_.heads, s.kv_heads = network_.kv_heads, s.D = axes_.D;
  s.starts = batch_.starts.data(), s.sequences = long(batch_.starts.size()) - 1;
  s.causal = forward_.causal && network_.causal, s.window = network_.windows[i];
  s.scale = float(1 / std::sqrt(double(network_.head_size)));
  s.cos = angles_.cos(), s.sin = angles_.sin();
  s.positions = given(batch_.positions), s.hidden_from = given(batch_.hidden_from), s.hidden_to = given(batch_.hidden_to);
  return s;
}

void Pass::attention(long i, int qkv, int y) {
  if (cached_ && attend_cached(i, at(i, qkv), at(i, y))) return;
  const attention::Shape shape = attention_shape(i);
  attention_work_.reserve(attention::forward_bytes(shape, team_.size()));
  attention::forward(team_, {shape, at(i, qkv), at(i, y), buffers_.kept(i).lse.as<float>()}, attention_work_.as<char>());
}

// Where each row's key and value go first; then, of rows that read the cache, what they see. False: they attend to each other.
bool Pass::attend_cached(long i, const void* qkv, void* out) {
  const attention::Cache cache = cache_->of_layer(i);
  const long rows = batch_.N();
  attention::append(team_, cache, qkv, network_.heads, angles_.cos(), angles_.sin(), cached_->slots.data(), rows);
  if (cached_->pages.empty()) return false;
  attention::Decode d{};
  d.cache = cache, d.heads = network_.heads, d.qkv = qkv, d.cos = angles_.cos(), d.sin = angles_.sin();
  d.pages = cached_->pages.data(), d.max_pages = cached_->most_pages, d.lengths = cached_->lengths.data(), d.rows = rows;
  d.window = network_.windows[i], d.scale = float(1 / std::sqrt(double(network_.head_size))), d.out = out;
  attention::decode(team_, d);
  return true;
}

}  // namespace attune
