// The functions of logprob for the instruction set that includes this, both dtypes.
#pragma once
#include "kernels/logprob/candidates.body.h"
#include "kernels/logprob/top.body.h"

namespace attune::ATTUNE_ISA::logprob_body {

static void forward_part(const ForwardPart& p, float* workspace) {
  if (p.logits.dtype == DType::f32)
    p.all ? forward_part_of<float, true>(p, workspace) : forward_part_of<float, false>(p, workspace);
  else
    p.all ? forward_part_of<bf16, true>(p, workspace) : forward_part_of<bf16, false>(p, workspace);
}
static void slopes(const Slopes& p, float* workspace) {
  if (p.logits.dtype == DType::f32)
    p.all ? slopes_of<float, true>(p, workspace) : slopes_of<float, false>(p, workspace);
  else
    p.all ? slopes_of<bf16, true>(p, workspace) : slopes_of<bf16, false>(p, workspace);
}
static void accumulate(const Sums& s, float* workspace) {
  s.dtype == DType::f32 ? accumulate_of<float>(s, workspace) : accumulate_of<bf16>(s, workspace);
}
static void finish(DType dtype, const float* sums, long H, long rows, void* out) {
  dtype == DType::f32 ? finish_of(sums, H, rows, (float*)out) : finish_of(sums, H, rows, (bf16*)out);
}
static void likeliest(const Likeliest& l, float* workspace) {
  l.logits.dtype == DType::f32 ? likeliest_of<float>(l, workspace) : likeliest_of<bf16>(l, workspace);
}

static constexpr attune::logprob::Table table{forward_part, slopes,   accumulate,    add,           finish,
                                              likeliest,    products, add_to_hidden, add_to_weights};

}  // namespace attune::ATTUNE_ISA::logprob_body
