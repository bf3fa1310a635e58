// A decoder's block: its norms stand before attention and before the MLP, the sums pass beside them (Touvron et al. 2023).
//
//   in -> norm1 -> q|k|v -> (head norms) -> attention -> o + in = middle -> norm2 -> gate|up -> f(gate) up -> down + middle = out
//
// and behind the last layer, on the rows that a head reads: norm -> vocabulary.
#pragma once
#include "transformer/blocks/block.h"

namespace attune {

struct Decoder {
  enum : int {
    in,
    out,
    normed1,
    qkv,
    normed_qkv,
    attended,
    middle,
    normed2,
    up,
    active,
    d_out,
    d_middle,
    d_normed,
    d_attended,
    d_qkv,
    head_in,
    head_out,
    d_head,
    buffers_count,
    layer_in = in,
    d_layer = d_out,
  };
  static constexpr Buffer buffers[buffers_count] = {
      {"in", Width::hidden, Life::in},
      {"out", Width::hidden, Life::out},
      {"normed1", Width::hidden, Life::pass},
      {"qkv", Width::qkv, Life::kept},
      {"normed_qkv", Width::qkv, Life::head_norms},
      {"attended", Width::queries, Life::kept},
      {"middle", Width::hidden, Life::kept},
      {"normed2", Width::hidden, Life::pass},
      {"up", Width::up, Life::kept},
      {"active", Width::inner, Life::pass},
      {"d_out", Width::hidden, Life::back},
      {"d_middle", Width::hidden, Life::back},
      {"d_normed", Width::hidden, Life::back},
      {"d_attended", Width::queries, Life::back},
      {"d_qkv", Width::qkv, Life::back},
      {"head_in", Width::hidden, Life::head},
      {"head_out", Width::hidden, Life::head},
      {"d_head", Width::hidden, Life::head_back},
  };

  template <class E> static void forward(E& e, long i) {
    e.rows([&](auto run) {
      e.norm(run, i, kNorm1, in, normed1);
      e.linear(run, i, kQkv, normed1, qkv);
      if (e.has_head_norms()) e.head_norms(run, i, qkv, normed_qkv);
    });
    e.attention(i, e.has_head_norms() ? normed_qkv : qkv, attended);
    e.rows([&](auto run) {
      e.linear_add(run, i, kO, attended, in, middle);
      e.norm(run, i, kNorm2, middle, normed2);
      e.linear_gated(run, i, normed2, up, active);
      e.linear_add(run, i, kDown, active, middle, out);
    });
  }

  // d_out: the gradient of the layer's output on entry, of its input on exit.
  template <class E> static void backward(E& e, long i) {
    e.rows([&](auto run) {
      e.linear_gated_back(run, i, d_out, up, active);
      e.linear_back(run, i, kUp, up, none, d_normed);
      e.norm_back(run, i, kNorm2, middle, d_normed, d_out, d_middle);
      if (e.trains(i, kUp)) e.norm(run, i, kNorm2, middle, normed2);  // the input of gate|up again, for their gradients
      e.linear_back(run, i, kO, d_middle, none, d_attended);
    });
    e.norm_gradient(i, kNorm2, middle, d_normed);
    if (e.has_head_norms()) e.rows([&](auto run) { e.head_norms(run, i, qkv, normed_qkv); });
    e.attention_back(i, e.has_head_norms() ? normed_qkv : qkv, attended, d_attended, d_qkv);
    if (e.has_head_norms()) e.head_norms_back(i, qkv, d_qkv);
    const bool below = e.trains_below(i);
    e.rows([&](auto run) {
      if (e.trains(i, kQkv)) e.norm(run, i, kNorm1, in, normed1);
      e.linear_back(run, i, kQkv, d_qkv, none, below ? d_normed : none);
    });
    e.linear_gradient(i, kQkv, normed1, d_qkv);
    e.linear_gradient(i, kO, attended, d_middle);
    e.linear_gradient(i, kUp, normed2, up);
    e.linear_gradient(i, kDown, active, d_out);
    e.run_gradients();
    if (!below) return;
    e.norm_gradient(i, kNorm1, in, d_normed);
    e.rows([&](auto run) { e.norm_back(run, i, kNorm1, in, d_normed, d_middle, d_out); });
  }

  template <class E> static void head(E& e, long head) {
    e.head_rows([&](auto run) {
      e.gather(run, head_in);
      e.norm(run, head, kLastNorm, head_in, head_out);
    });
  }

  // d_head: from the gradient of head_out to that of head_in.
  template <class E> static void head_back(E& e, long head) {
    e.norm_gradient(head, kLastNorm, head_in, d_head);
    e.head_rows([&](auto run) { e.norm_back(run, head, kLastNorm, head_in, d_head, none, d_head); });
  }
};

}  // namespace attune
