// matmul: the matrix products of the network, over packed right operands, with an epilogue that sees every finished row of a block.
//
//   forward     C (M, N) = A (M, K) W^T            W (N, K) as the checkpoint stores a linear layer
//   transposed  C (M, K) = A (M, N) W              the gradient of the input
//   low rank    C += L (M, R) B                    32-deep extra steps of a LoRA adapter, added before the other sums (see LowRank)
//   contract    G (R, K) += L^T (R, M) X (M, K)    gradients of weights: the sum runs over tokens
//
// A, C, L, X, G are in the rows layout (base/layout.h); A, C, L, X in the dtype of the weights, G in fp32. Sums are fp32.
// Order of summation: low-rank steps, then K ascending in one chain; tokens ascending in chunks of fixed size: the same bits for any number of threads.
// Memory: workspace_floats() fp32 per thread. Reference: the blocking of Goto and van de Geijn 2008, with tiles in the place of registers.
#pragma once
#include "base/layout.h"
#include "cpu/features.h"
#include "cpu/memory.h"
#include "cpu/threads.h"
#include "kernels/matmul/product.h"

namespace attune::matmul {

// One matrix W (N, K), packed for the products of the chosen instruction set. N and K are physical: multiples of 32, padding is zero.
struct Weights {
  DType dtype = DType::f32;
  long N = 0, K = 0;
  Memory forward;  // panels [N/32][K/32][…]: contracts K
  Memory
      backward;  // panels [K/32][N/32][…]: contracts N. Empty where the product turns forward panels on the fly (fp32, no AMX, or forward only)
  // Both packings have the same form on every instruction set (product.h), so what was packed under one serves under all.
};

// Where a packed matrix comes from: rows x columns numbers, row-major, or `transposed` as columns x rows. Logical row i goes to physical row row_at[i] (null: i), columns likewise.
struct Source {
  const void* data;
  Stored stored;
  long rows, columns;
  const int* row_at;
  const int* column_at;
  bool transposed = false;
};

// Makes room for W (N, K) and fills it with zeros. `both`: the transposed product will be asked for.
void allocate(Weights& w, DType dtype, long N, long K, bool both);
// Packs logical rows first .. last of the source (several sources may share one matrix: q, k and v, gate and up). Safe to call from several threads
// for different rows. Returns false when a number is not finite (infinite or NaN).
bool pack(Weights& w, const Source& source, long first, long last);
// Number (n, k) of the packed matrix, for the embedding of a tied head and for tests.
float at(const Weights& w, long n, long k);
// The right operand of a product: W^T (K x N), or W (N x K) where `transposed`.
Panels panels(const Weights& w, bool transposed);

// How a product of this contraction is cut: a pure function of its shape and the cache sizes. It changes no bit of the result (product.body.h).
Plan plan(DType dtype, cpu::Isa isa, long contraction, long l1_bytes, long l2_bytes);
Plan plan(DType dtype, long contraction);  // for cpu::chosen() and this machine

// The adapter's term: for the 32-column panel n of C, steps window[2 n] .. window[2 n + 1] of L (M, 32 steps) times the right operand `right`
// (forward panels of B (N, R) for the forward product; transposed A (R, K) for the transposed one).
struct LowRank {
  const void* left = nullptr;  // (M, R) rows layout, null: no adapter
  const Weights* right = nullptr;
  bool right_transposed = false;
  const uint8_t* window = nullptr;  // (2 N/32), null: all R/32 steps
};

// What happens to a finished row piece of 32 sums.
enum class Finish : int {
  store,            // C = sums (+ bias)
  store_scaled,     // C = scale * sums
  add,              // C = residual + sums (+ bias)
  swiglu,           // sums hold gate (16 columns) | up (16 columns) by turns: kept = sums (+ bias), C (M, N/2) = silu(gate) up
  swiglu_backward,  // sums are d act (M, N): kept (M, 2 N) gate|up -> their gradients in place; C (M, N) = the activation again
  store_float,      // logits: out (rows, logical_columns) fp32 row-major
};

struct Product {
  const void* a;           // rows layout, a_columns columns; the product reads K (or N, transposed) of them from a_from on
  long a_columns, a_from;  // multiples of 32
  const Weights* w;
  bool transposed;
  LowRank low;
  Finish finish;
  void* c;  // rows layout, c_columns columns, from column c_from on
  long c_columns, c_from;
  const void* residual;  // (M, c_columns), Finish::add; may be c itself
  const float* bias;     // (N,), null: none
  void* kept;            // see Finish
  float scale;
  long logical_columns;  // Finish::store_float
  // A part of the product, for right sides with empty corners (store and store_scaled alone; multiples of 32; count 0: all). Columns of C from
  // column_from on, and those numbers of the contraction from contract_from on; a_from and c_from still speak of the whole.
  long column_from = 0, column_count = 0, contract_from = 0, contract_count = 0;
};

// Rows first .. last (first a multiple of 32; last a multiple of 32 or the end of real rows) by the calling thread. Padding rows of C and kept, up
// to round32(last), become zero.
void rows(const Product& p, long first, long last, float* workspace);
// Enough for every product on this machine, at 64-byte alignment.
size_t workspace_floats();

// G (R, K) += L^T X over tokens 0 .. M, for 32-column blocks from .. to of X (a complete sum: one thread). Rows M .. round32(M) of L must be zero,
// those of X finite. Scratch: contract_floats(), kept per thread.
struct Contract {
  const void* left;  // (M, left_columns) rows layout; R columns from left_from on
  long left_columns, left_from, R;
  const void* right;  // (M, right_columns) rows layout; K columns from right_from on
  long right_columns, right_from, K;
  long M;
  DType dtype;
  float* out;  // (R, K) fp32 rows layout
};
void contract(const Contract& c, long from, long to);
size_t contract_floats();
// out[k] += sum over tokens of x (M, columns)[from + k]: the gradient of a bias, columns from .. from + K.
void column_sums(const void* x, DType dtype, long M, long columns, long from, long K, float* out);

// Row-major numbers to the rows layout and back (binding, tests). Padding becomes zero.
void rows_from(const float* x, void* out, DType dtype, long M, long K);
void rows_to(const void* x, float* out, DType dtype, long M, long K);

}  // namespace attune::matmul
