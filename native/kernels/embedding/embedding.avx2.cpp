#include "kernels/embedding/embedding.body.h"

namespace attune::embedding {
void forward_avx2(const Gather& g, long first, long last) { ATTUNE_ISA::embedding_body::forward(g, first, last); }
void backward_avx2(const Scatter& s, long from, long to) { ATTUNE_ISA::embedding_body::backward(s, from, to); }
}  // namespace attune::embedding
