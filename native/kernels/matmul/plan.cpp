// How a product is cut: pure functions from shapes and cache sizes to block sizes.
#include "kernels/matmul/matmul.h"
#include <algorithm>

namespace attune::matmul {

static long rounded(long n, long least, long most) { return std::clamp(n / 32 * 32, least, most); }

Plan plan(DType dtype, cpu::Isa isa, long contraction, long l1, long l2) {
  Plan p;
  // Each panel that comes from L3 (8 bytes a cycle) must serve some 256 rows to be paid for. Those rows and their results, of layers as wide as
  // 2 x 2048 bf16 numbers, share L2 with the panels: 8 KiB of L2 a row.
  p.rows = rounded(l2 / (8 << 10), 64, 256);
  // Sums that wait for the next contraction block: 9/32 of L2 (590 KiB of 2 MiB).
  p.columns = rounded(l2 / 32 * 9 / (p.rows * 4), 64, 4096);
  if (isa == cpu::Isa::amx && dtype == DType::bf16) {
    // A panel, 64 bytes for each number of K, stays in L1 while the left side streams past it. All of K where that fits 6/7 of L1 (no spill of sums);
    // else 2/3 of L1, where 16 steps of 64 cycles pay for the 128 lines of sums that come and go (512 beat 384 by 3 %, 256 and 768 by 10).
    const long all = rounded(l1 / 64 * 6 / 7, 64, 4096);
    p.depth = contraction <= all ? all : rounded(l1 / 64 * 2 / 3, 64, 4096);
    return p;
  }
  // The left rows of a contraction block share L2 with the waiting sums, and may be as large. The panel need not fit L1: a register block of 8 x 32 asks
  // for 16 bytes of it a cycle, a third of what L2 gives (measured: 96 % of the FMA peak at 32 KiB, 94 % at 72, 88 % at 192).
  p.depth = p.columns;
  return p;
}
Plan plan(DType dtype, long contraction) { return plan(dtype, cpu::chosen(), contraction, cpu::l1_bytes(), cpu::l2_bytes()); }

// Sums that wait; then a widened panel and the widened left rows (registers.body.h), or a turned panel and turned low-rank steps, at most 256
// (tiles.body.h); the most that any plan needs.
size_t workspace_floats() {
  size_t most = 0;
  for (const DType t : {DType::f32, DType::bf16})
    for (const cpu::Isa isa : {cpu::Isa::avx2, cpu::Isa::amx})
      for (const long contraction : {32L, 1L << 20}) {
        const Plan p = plan(t, isa, contraction, cpu::l1_bytes(), cpu::l2_bytes());
        most = std::max(most, size_t(p.rows * p.columns + std::max(p.depth * 32 + p.rows * p.depth, p.depth * 16 + 256 * kStep / 2)));
      }
  return most;
}
// 256 tokens of 32 columns of the left side and 576 of the right in fp32 (contract.body.h); in bf16, 512 tokens of 576 and 32 (contract_tiles.body.h).
size_t contract_floats() { return 256 * (32 + 576); }

}  // namespace attune::matmul
