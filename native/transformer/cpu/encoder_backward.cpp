// The pieces of an encoder's backward pass; backward.cpp calls them in the places of a decoder's.
#include "kernels/embedding/embedding.h"
#include "kernels/swiglu/swiglu.h"
#include "transformer/cpu/cpu_engine.h"
#include "transformer/cpu/passes.h"

namespace attune {

static layer_norm::Backward backward_of(const layer_norm::Forward& f, const void* dy, void* dx) {
  return {f.s, f.x, f.w, f.mean, f.inverse, dy, nullptr, dx};
}

// Adds to the norm's gradients where it is trained; before dy is overwritten.
void CpuEngine::encoder_norm_gradient(const layer_norm::Forward& f, const void* dy, long M, Norm& n) {
  if (n.gradient.empty()) return;
  const layer_norm::Backward b = backward_of(f, dy, nullptr);
  team.tasks(axes.H / 32,
             [&](long k, int) { layer_norm::weight_gradient(b, M, n.gradient.data(), n.bias_gradient.data(), k * 32, k * 32 + 32); });
}

// dcompact_ (R, H): from the gradient of the rows that the vocabulary meets to that of the last layer's sums.
void CpuEngine::encoder_backward_head(long R) {
  Encoder& e = encoder_;
  const long head = network.layers;
  e.d.reserve(bytes(R, axes.H));
  if (const lora_matmul::Group* g = lora(head, 0)) dlow_[0].reserve(bytes(R, g->R));
  char *d = e.d.as<char>(), *dcompact = dcompact_.as<char>();
  const layer_norm::Forward last_norm = encoder_norm(e.norm, e.active.as<char>(), nullptr, e.mean2, e.inverse2);
  const layer_norm::Forward first_norm = encoder_norm(norm_, compact_.as<char>(), nullptr, e.mean1, compact_inverse_);
  encoder_norm_gradient(last_norm, dcompact, R, e.norm);
  passes(team, R, [&](long first, long last, int thread) {
    layer_norm::backward(backward_of(last_norm, dcompact, d), first, last);
    swiglu::unary_backward(network.activation, options.dtype, e.summed.as<char>(), d, d, axes.H, first, last);
    back_product(head, 0, product(e.dense, true, d, matmul::Finish::store, dcompact, axes.H), first, last, thread);
  });
  if (options.train == Train::all)
    whole_gradients(e.dense, e.normed.as<char>(), d, R);
  else
    low_rank_gradients(head, 0, e.normed.as<char>(), d, e.low, R);
  run_gradient_tasks();
  encoder_norm_gradient(first_norm, dcompact, R, norm_);
  team.rows(R, [&](long first, long last, int) { layer_norm::backward(backward_of(first_norm, dcompact, dcompact), first, last); });
}

// Afterwards dh_ holds the gradient of the sums between attention and MLP, kept.gate_up the input of down again, act_ the gradient of up's result.
void CpuEngine::encoder_backward_mlp_and_output(long i, Kept& kept) {
  const Layer& l = layers_[i];
  const layer_norm::Forward n = encoder_norm(l.norm2, kept.h.as<char>(), normed2_.as<char>(), kept.mean2, kept.inverse2);
  passes(team, batch_.N(), [&](long first, long last, int thread) {
    auto back = [&](int group, const void* dy, matmul::Finish finish, const void* residual, void* dx, long columns) {
      matmul::Product p = product(l.group[group], true, dy, finish, dx, columns);
      p.residual = residual;
      back_product(i, group, p, first, last, thread);
    };
    char *up = kept.gate_up.as<char>(), *d = act_.as<char>();
    back(kDown, dx_.as<char>(), matmul::Finish::store, nullptr, d, axes.I);
    swiglu::unary_backward(network.activation, options.dtype, up, d, d, axes.I, first, last);
    if (trains(i, kDown)) swiglu::unary(network.activation, options.dtype, up, up, axes.I, first, last);
    back(kGateUp, d, matmul::Finish::add, dx_.as<char>(), dn_.as<char>(), axes.H);
    layer_norm::backward(backward_of(n, dn_.as<char>(), dh_.as<char>()), first, last);
    if (trains(i, kGateUp)) layer_norm::forward(n, first, last);  // the input of up again, for its gradient
    back(kO, dh_.as<char>(), matmul::Finish::store, nullptr, dattended_.as<char>(), axes.Q);
  });
  encoder_norm_gradient(n, dn_.as<char>(), batch_.N(), layers_[i].norm2);
}

void CpuEngine::encoder_backward_qkv(long i, Kept& kept, const void* in) {
  const bool below = i || options.train == Train::all;  // below the first layer nothing is trained
  const layer_norm::Forward n = encoder_norm(layers_[i].norm1, in, normed1_.as<char>(), kept.mean1, kept.inverse1);
  passes(team, batch_.N(), [&](long first, long last, int thread) {
    if (trains(i, kQkv)) layer_norm::forward(n, first, last);
    if (!below) return backward_low_rank(i, kQkv, dqkv_.as<char>(), first, last, thread);
    matmul::Product p = product(layers_[i].group[kQkv], true, dqkv_.as<char>(), matmul::Finish::add, dn_.as<char>(), axes.H);
    p.residual = dh_.as<char>();
    back_product(i, kQkv, p, first, last, thread);
  });
}

void CpuEngine::encoder_backward_norm1(long i, Kept& kept, const void* in) {
  const layer_norm::Forward n = encoder_norm(layers_[i].norm1, in, nullptr, kept.mean1, kept.inverse1);
  encoder_norm_gradient(n, dn_.as<char>(), batch_.N(), layers_[i].norm1);
  team.rows(batch_.N(),
            [&](long first, long last, int) { layer_norm::backward(backward_of(n, dn_.as<char>(), dx_.as<char>()), first, last); });
}

// The sums of word, position and type: each row's gradient goes to all three.
void CpuEngine::encoder_embedding_gradients() {
  Encoder& e = encoder_;
  team.tasks(axes.H / 32, [&](long k, int) {
    auto add = [&](const std::vector<int>& ids, std::vector<float>& dw) {
      embedding::backward(dx_.as<char>(), options.dtype, ids.data(), batch_.N(), axes.H, dw.data(), k * 32, k * 32 + 32);
    };
    add(e.places, e.positions_gradient), add(e.zeros, e.types_gradient);
  });
}

}  // namespace attune
