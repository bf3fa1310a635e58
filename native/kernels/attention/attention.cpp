// Checks, choice of a variant, and the parts that all variants share: rows past the last token.
#include "kernels/attention/attention.h"
#include "cpu/features.h"
#include "kernels/attention/variants.h"

namespace attune::attention {
namespace {

void check(bool good, const std::string& message) {
  if (!good) throw Error("kernel_arguments", "[attention] " + message);
}
void check(const Shape& s) {
  check(s.D >= 64 && s.D <= kMostHead && s.D % 64 == 0, "D: expected 64, 128, 192 or 256, got " + std::to_string(s.D));
  check(s.kv_heads >= 1 && s.heads >= 1 && s.heads % s.kv_heads == 0,
        "heads: expected a multiple of kv_heads, got " + std::to_string(s.heads) + " and " + std::to_string(s.kv_heads));
  check(s.window >= 0 && s.softcap >= 0, "window and softcap: expected 0 or more");
  check(!s.cos == !s.sin, "cos and sin: expected both or none");
}

// Rows N .. round32(N) of a rows-layout matrix.
void zero_tail(void* x, DType dtype, long N, long columns) {
  for (long m = N; m < round32(N); m++)
    for (long k = 0; k < columns; k += 32)
      memset(static_cast<char*>(x) + rows_index(m, k, columns) * bytes_of(dtype), 0, 32 * bytes_of(dtype));
}

}  // namespace

size_t forward_bytes(const Shape& s, int threads) { return forward_bytes_reference(s, threads); }
size_t backward_bytes(const Shape& s, int threads) { return backward_bytes_reference(s, threads); }

void forward(Team& team, const Forward& f, char* workspace) {
  check(f.shape);
  forward_reference(team, f, workspace);
  zero_tail(f.out, f.shape.dtype, f.shape.starts[f.shape.sequences], f.shape.heads * f.shape.D);
}

void backward(Team& team, const Backward& b, char* workspace) {
  const Shape& s = b.shape;
  check(s);
  backward_reference(team, b, workspace);
  zero_tail(b.dqkv, s.dtype, s.starts[s.sequences], (s.heads + 2 * s.kv_heads) * s.D);
}

void append(Team& team, const Cache& cache, const void* qkv, long heads, const float* cos, const float* sin, const int* slots, long rows) {
  team.tasks(rows, [&](long row, int) { append_row_reference({&cache, qkv, heads, cos, sin, row, slots[row]}); });
}

void decode(Team& team, const Decode& d) {
  const long G = d.cache.kv_heads;
  team.tasks(d.rows * G, [&](long task, int) { decode_task_reference(d, task / G, task % G); });
  zero_tail(d.out, d.cache.dtype, d.rows, d.heads * d.cache.D);
}

}  // namespace attune::attention
