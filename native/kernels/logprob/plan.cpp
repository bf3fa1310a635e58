#include "kernels/logprob/plan.h"
#include <algorithm>

namespace attune::logprob {

static long rounded(long n, long least, long most) { return std::clamp(n / 32 * 32, least, most); }

Cut cut(DType dtype, cpu::Isa isa, long H, long l1, long l2) {
  const bool tiles = isa == cpu::Isa::amx && dtype == DType::bf16;
  Cut c;
  c.logits = matmul::plan(dtype, isa, H, l1, l2);
  // Where the contraction is one block, no sums wait in L2 and 9/32 of it (590 KiB of 2 MiB) holds the rows: each panel from L3 serves more of them.
  if (H <= c.logits.depth) {
    c.logits.columns = 0;
    if (tiles) c.logits.rows = rounded(l2 / 32 * 9 / (H * 2), 64, 512);
  }
  c.rows = c.logits.rows;
  // The fp32 gradient of the rows stays in 9/16 of L2 (1.15 MiB of 2 MiB) while the chunks pass.
  c.gradient_rows = rounded(l2 / 16 * 9 / (H * 4), 32, 512);
  // Tiles: 16 steps of 64 cycles pay for the 128 lines of sums that come and go, and a turned panel of 32 KiB stays in L1. Registers are ten times
  // slower, and a panel costs them twice the bytes.
  c.chunk = tiles ? 512 : 256;
  c.gradient = {c.gradient_rows, c.chunk, 0};
  return c;
}
Cut cut(DType dtype, long H) { return cut(dtype, cpu::chosen(), H, cpu::l1_bytes(), cpu::l2_bytes()); }

long even_rows(long R, long most, int threads) {
  long blocks = (R + most - 1) / most;
  blocks = std::max(blocks, std::min((blocks + threads - 1) / threads * threads, R / 64));
  return blocks ? round32((R + blocks - 1) / blocks) : 32;
}

long top_rows(long R, long K, long most, int threads, long l2) {
  const long kept = rounded(l2 / 2 / (K * long(sizeof(float) + sizeof(int))), 32, most);
  return even_rows(R, std::clamp(round32((R + threads - 1) / threads), 32L, kept), threads);
}

bool by_parts(long R, long parts, int threads) { return parts > 1 && R <= kFewRows && (R + 63) / 64 < threads; }

size_t product_floats(const matmul::Plan& p) { return size_t(p.rows) * p.columns + p.depth * 32 + p.rows * p.depth; }

}  // namespace attune::logprob
