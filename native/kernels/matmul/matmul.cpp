// Checks, chooses the variant of the calling thread's instruction set, and cuts the product to the caches.
#include "kernels/matmul/matmul.h"
#include "base/error.h"
#include "cpu/variant.h"
#include "kernels/matmul/variants.h"

namespace attune::matmul {
namespace {

[[noreturn]] void fail(const std::string& message) { throw Error("kernel_arguments", "[matmul] " + message); }
void whole(const char* name, long n) {
  if (n % 32 || n < 0) fail(std::string(name) + ": expected a multiple of 32, got " + std::to_string(n));
}
void within(const char* name, long from, long count, long columns) {
  whole(name, from), whole(name, count), whole(name, columns);
  if (from + count > columns)
    fail(std::string(name) + ": columns " + std::to_string(from) + " to " + std::to_string(from + count) + " of " +
         std::to_string(columns));
}

void check(const Product& p, long first) {
  const long N = p.transposed ? p.w->K : p.w->N, K = p.transposed ? p.w->N : p.w->K;
  within("a", p.a_from, K, p.a_columns);
  whole("first row", first);
  if (p.finish == Finish::swiglu)
    within("c", p.c_from, N / 2, p.c_columns);
  else if (p.finish != Finish::store_float)
    within("c", p.c_from, N, p.c_columns);
  if (p.finish == Finish::swiglu_backward && !p.kept) fail("kept: expected gate and up of the forward product");
  if (p.finish == Finish::add && !p.residual) fail("residual: expected the rows to add to");
  if (p.finish == Finish::store_float && (p.logical_columns < 0 || p.logical_columns > N))
    fail("logical_columns: expected at most " + std::to_string(N));
  if (p.column_count || p.contract_count) {
    if (p.low.left || (p.finish != Finish::store && p.finish != Finish::store_scaled))
      fail("a part of a product is stored, and has no low-rank term");
    within("part", p.column_from, p.column_count, N), within("part of the contraction", p.contract_from, p.contract_count, K);
  }
  if (!p.low.left) return;
  const Weights& r = *p.low.right;
  if ((p.low.right_transposed ? r.K : r.N) != N || r.dtype != p.w->dtype)
    fail("low rank: its right side does not have the product's columns and dtype");
}

// Rows layout: column blocks lie 32 rows apart.
const void* moved(const void* x, DType t, long from) { return x ? (const char*)x + from * 32 * bytes_of(t) : nullptr; }

// Narrows a plain product to the part that is asked for.
void cut(const Product& p, Rows& r) {
  const long size = bytes_of(r.dtype);
  r.right.at = (const char*)r.right.at + (p.column_from / 32 * r.right.per_column + p.contract_from / 32 * r.right.per_step) * kStep * size;
  if (p.column_count) r.right.columns = p.column_count;
  if (p.contract_count) r.right.steps = p.contract_count / 32;
  r.a = moved(r.a, r.dtype, p.contract_from), r.c = const_cast<void*>(moved(r.c, r.dtype, p.column_from));
  if (r.bias) r.bias += p.column_from;
}

Rows plain(const Product& p) {
  Rows r{};
  r.dtype = p.w->dtype, r.finish = int(p.finish);
  r.a = moved(p.a, r.dtype, p.a_from), r.a_columns = p.a_columns;
  r.right = panels(*p.w, p.transposed);
  if (p.low.left) {
    r.low_left = p.low.left, r.low = panels(*p.low.right, p.low.right_transposed), r.low_columns = r.low.steps * 32;
    r.window = p.low.window;
  }
  r.plan = plan(r.dtype, r.right.steps * 32);
  r.c = p.finish == Finish::store_float ? p.c : const_cast<void*>(moved(p.c, r.dtype, p.c_from)), r.c_columns = p.c_columns;
  r.residual = moved(p.residual, r.dtype, p.c_from), r.bias = p.bias, r.kept = p.kept, r.scale = p.scale,
  r.logical_columns = p.logical_columns;
  if (p.column_count || p.contract_count) cut(p, r);
  return r;
}

}  // namespace

const Table& table() {
  return *cpu::variant(&reference_table, ATTUNE_AVX2(&avx2_table), ATTUNE_AVX512(&avx512_table), ATTUNE_AMX(&amx_table));
}

void rows(const Product& p, long first, long last, float* workspace) {
  check(p, first);
  if (first >= last || p.w->N == 0) return;
  const Rows r = plain(p);
  table().rows(r, first, last, workspace);
}

void contract(const Contract& c, long from, long to) {
  within("left", c.left_from, c.R, c.left_columns), within("right", c.right_from, c.K, c.right_columns),
      within("column blocks", from * 32, (to - from) * 32, c.K);
  static thread_local Memory scratch;
  scratch.reserve(contract_floats() * sizeof(float));
  const Sums s{
      c.dtype, moved(c.left, c.dtype, c.left_from), c.left_columns, c.R, moved(c.right, c.dtype, c.right_from), c.right_columns, c.K, c.M,
      c.out};
  table().contract(s, from * 32, to * 32, scratch.as<float>());
}

void column_sums(const void* x, DType dtype, long M, long columns, long from, long K, float* out) {
  within("x", from, K, columns);
  table().column_sums(moved(x, dtype, from), dtype, M, columns, K, out);
}

}  // namespace attune::matmul
