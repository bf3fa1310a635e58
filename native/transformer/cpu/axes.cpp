#include "transformer/cpu/axes.h"
#include "kernels/attention/attention.h"
#include "kernels/swiglu/swiglu.h"

namespace attune {

static std::vector<int> heads_at(long heads, long d, long D, long first_head) {
  std::vector<int> at;
  for (long h = 0; h < heads; h++)
    for (long i = 0; i < d; i++) at.push_back(int((first_head + h) * D + attention::head_place(i, d)));
  return at;
}

Axes::Axes(const Network& n)
    : H(round32(n.hidden)),
      I(round32(n.inner)),
      U(n.gated ? 2 * I : I),
      V(round32(n.vocabulary)),
      D(attention::physical_head(n.head_size)),
      C((n.heads + 2 * n.kv_heads) * D),
      Q(n.heads * D),
      query(heads_at(n.heads, n.head_size, D, 0)),
      key(heads_at(n.kv_heads, n.head_size, D, n.heads)),
      value(heads_at(n.kv_heads, n.head_size, D, n.heads + n.kv_heads)),
      attended(heads_at(n.heads, n.head_size, D, 0)),
      head(heads_at(1, n.head_size, D, 0)) {
  if (D != n.head_size) {
    attended_from.assign(Q, -1);
    for (size_t i = 0; i < attended.size(); i++) attended_from[attended[i]] = int(i);
  }
  if (!n.gated) return;
  for (long i = 0; i < n.inner; i++) gate.push_back(int(swiglu::gate_place(i))), up.push_back(int(swiglu::up_place(i)));
}

long Axes::of(Width w) const {
  switch (w) {
    case Width::inner:
      return I;
    case Width::up:
      return U;
    case Width::queries:
      return Q;
    case Width::qkv:
      return C;
    default:
      return H;
  }
}

}  // namespace attune
