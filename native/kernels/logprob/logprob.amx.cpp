// bf16 on tiles; fp32 has no tiles and runs on AVX-512, and so do the products of single ids.
#include "kernels/logprob/top.body.h"

namespace attune::logprob {
namespace {
using namespace ATTUNE_ISA::logprob_body;

void forward_part(const ForwardPart& p, float* workspace) {
  if (p.logits.dtype == DType::f32) return avx512_table.forward_part(p, workspace);
  p.all ? forward_part_of<bf16, true>(p, workspace) : forward_part_of<bf16, false>(p, workspace);
}
void slopes(const Slopes& p, float* workspace) {
  if (p.logits.dtype == DType::f32) return avx512_table.slopes(p, workspace);
  p.all ? slopes_of<bf16, true>(p, workspace) : slopes_of<bf16, false>(p, workspace);
}
void accumulate(const Sums& s, float* workspace) {
  if (s.dtype == DType::f32) return avx512_table.accumulate(s, workspace);
  accumulate_of<bf16>(s, workspace);
}
void finish(DType dtype, const float* sums, long H, long rows, void* out) {
  if (dtype == DType::f32) return avx512_table.finish(dtype, sums, H, rows, out);
  finish_of(sums, H, rows, (bf16*)out);
}
void likeliest(const Likeliest& l, float* workspace) {
  if (l.logits.dtype == DType::f32) return avx512_table.likeliest(l, workspace);
  likeliest_of<bf16>(l, workspace);
}
void products(const ById& c, long panel, float* product, float* row) { avx512_table.products(c, panel, product, row); }
void add_to_hidden(const ById& c, const float* slope, long block, void* dhidden, float* sums) {
  avx512_table.add_to_hidden(c, slope, block, dhidden, sums);
}
void add_to_weights(const ById& c, const float* slope, long panel, float* dweight) {
  avx512_table.add_to_weights(c, slope, panel, dweight);
}

}  // namespace

const Table amx_table{forward_part, slopes, accumulate, add, finish, likeliest, products, add_to_hidden, add_to_weights};

}  // namespace attune::logprob
