// An encoder's block, of the BERT family (Devlin et al. 2018).
//
//   word + position + type of each token
//       -> [ norm1 -> q|k|v -> attention over the whole sequence -> o + normed -> norm2 -> up -> f -> down + normed ] x layers
//       -> norm (only the rows with a target) -> dense -> f -> norm -> vocabulary
//
// The paper puts its norms after the sums; counted from sum to sum, each layer begins with the norm that ends the one before, and the residual is
// the normed row. A row with a target predicts the id at its own place. Dropout of BERT's own (hidden_dropout_prob) is not applied.
#pragma once
#include "transformer/blocks/block.h"

namespace attune {

struct Encoder {
  enum : int {
    sum,
    next_sum,
    normed1,
    qkv,
    attended,
    middle_sum,
    normed2,
    raised,
    active,
    d_next_sum,
    d_middle_sum,
    d_normed,
    d_attended,
    d_qkv,
    head_sum,
    head_normed,
    head_raised,
    head_active,
    head_out,
    d_head,
    d_raised,
    buffers_count,
    layer_in = sum,
    d_layer = d_next_sum,
  };
  static constexpr Buffer buffers[buffers_count] = {
      {"sum", Width::hidden, Life::in},
      {"next_sum", Width::hidden, Life::out},
      {"normed1", Width::hidden, Life::pass},
      {"qkv", Width::qkv, Life::kept},
      {"attended", Width::queries, Life::kept},
      {"middle_sum", Width::hidden, Life::kept},
      {"normed2", Width::hidden, Life::pass},
      {"raised", Width::inner, Life::kept},
      {"active", Width::inner, Life::pass},
      {"d_next_sum", Width::hidden, Life::back},
      {"d_middle_sum", Width::hidden, Life::back},
      {"d_normed", Width::hidden, Life::back},
      {"d_attended", Width::queries, Life::back},
      {"d_qkv", Width::qkv, Life::back},
      {"head_sum", Width::hidden, Life::head},
      {"head_normed", Width::hidden, Life::head},
      {"head_raised", Width::hidden, Life::head},
      {"head_active", Width::hidden, Life::head},
      {"head_out", Width::hidden, Life::head},
      {"d_head", Width::hidden, Life::head_back},
      {"d_raised", Width::hidden, Life::head_back},
  };

  template <class E> static void forward(E& e, long i) {
    e.rows([&](auto run) {
      e.norm(run, i, kNorm1, sum, normed1);
      e.linear(run, i, kQkv, normed1, qkv);
    });
    e.attention(i, qkv, attended);
    e.rows([&](auto run) {
      e.linear_add(run, i, kO, attended, normed1, middle_sum);
      e.norm(run, i, kNorm2, middle_sum, normed2);
      e.linear(run, i, kUp, normed2, raised);
      e.activate(run, i, raised, active);
      e.linear_add(run, i, kDown, active, normed2, next_sum);
    });
  }

  // d_next_sum: the gradient of the layer's output on entry, of its input on exit. Here `active` is the gradient of `raised`, and `raised`
  // becomes what was active: the input of down again.
  template <class E> static void backward(E& e, long i) {
    e.rows([&](auto run) {
      e.linear_back(run, i, kDown, d_next_sum, none, active);
      e.activate_back(run, i, raised, active, active);
      if (e.trains(i, kDown)) e.activate(run, i, raised, raised);
      e.linear_back(run, i, kUp, active, d_next_sum, d_normed);
      e.norm_back(run, i, kNorm2, middle_sum, d_normed, none, d_middle_sum);
      if (e.trains(i, kUp)) e.norm(run, i, kNorm2, middle_sum, normed2);  // the input of up again, for its gradient
      e.linear_back(run, i, kO, d_middle_sum, none, d_attended);
    });
    e.norm_gradient(i, kNorm2, middle_sum, d_normed);
    e.attention_back(i, qkv, attended, d_attended, d_qkv);
    const bool below = e.trains_below(i);
    e.rows([&](auto run) {
      if (e.trains(i, kQkv)) e.norm(run, i, kNorm1, sum, normed1);
      e.linear_back(run, i, kQkv, d_qkv, below ? d_middle_sum : none, below ? d_normed : none);
    });
    e.linear_gradient(i, kQkv, normed1, d_qkv);
    e.linear_gradient(i, kO, attended, d_middle_sum);
    e.linear_gradient(i, kUp, normed2, active);
    e.linear_gradient(i, kDown, raised, d_next_sum);
    e.run_gradients();
    if (!below) return;
    e.norm_gradient(i, kNorm1, sum, d_normed);
    e.rows([&](auto run) { e.norm_back(run, i, kNorm1, sum, d_normed, none, d_next_sum); });
  }

  template <class E> static void head(E& e, long head) {
    e.head_rows([&](auto run) {
      e.gather(run, head_sum);
      e.norm(run, head, kLastNorm, head_sum, head_normed);
      e.linear(run, head, kDense, head_normed, head_raised);
      e.activate(run, head, head_raised, head_active);
      e.norm(run, head, kHeadNorm, head_active, head_out);
    });
  }

  // d_head: from the gradient of head_out to that of head_sum.
  template <class E> static void head_back(E& e, long head) {
    e.norm_gradient(head, kHeadNorm, head_active, d_head);
    e.head_rows([&](auto run) {
      e.norm_back(run, head, kHeadNorm, head_active, d_head, none, d_raised);
      e.activate_back(run, head, head_raised, d_raised, d_raised);
      e.linear_back(run, head, kDense, d_raised, none, d_head);
    });
    e.linear_gradient(head, kDense, head_normed, d_raised);
    e.run_gradients();
    e.norm_gradient(head, kLastNorm, head_sum, d_head);
    e.head_rows([&](auto run) { e.norm_back(run, head, kLastNorm, head_sum, d_head, none, d_head); });
  }
};

}  // namespace attune
