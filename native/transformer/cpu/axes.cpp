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

Axes::Axes(const Network& c)
    : H(round32(c.hidden)),
      I(round32(c.inner)),
      U(c.encoder ? I : 2 * I),
      V(round32(c.vocabulary)),
      D(attention::physical_head(c.head_size)),
      C((c.heads + 2 * c.kv_heads) * D),
      Q(c.heads * D),
      query(heads_at(c.heads, c.head_size, D, 0)),
      key(heads_at(c.kv_heads, c.head_size, D, c.heads)),
      value(heads_at(c.kv_heads, c.head_size, D, c.heads + c.kv_heads)),
      attended(heads_at(c.heads, c.head_size, D, 0)),
      head(heads_at(1, c.head_size, D, 0)) {
  for (long i = 0; i < c.inner; i++) gate.push_back(int(swiglu::gate_place(i))), up.push_back(int(swiglu::up_place(i)));
}

}  // namespace attune
