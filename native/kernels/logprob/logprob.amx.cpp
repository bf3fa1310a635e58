// bf16 on tiles; fp32 has no tiles and runs on AVX-512.
#include "kernels/logprob/logprob.body.h"

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

}  // namespace

const Table amx_table{forward_part, slopes, accumulate, add, finish};

}  // namespace attune::logprob
