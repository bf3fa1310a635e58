// The product of rows with packed panels, for the instruction set that includes this; see matmul.h for what it computes.
//
//   product<T>(view, first, last, workspace, e)           calls e.row(m, n, r, lo, hi) once for each finished row piece: row m + r, columns n … n + 31
//   accumulate<T>(view, first, last, sums, fresh, space)  adds to fp32 sums that stay (the vocabulary passes); drain<T>() hands them to an epilogue
//
// Loop order  rows blocks (L2) > column groups > contraction blocks > panels (L1) > 32 rows > register or tile block
// Sum order   low-rank steps, then the contraction ascending, each sum in one fp32 chain (blocks are spilled, not summed apart), so that a number
//             depends neither on blocking nor on which rows are computed with it
#pragma once
#include "kernels/matmul/registers.body.h"
#if defined(__AMX_TILE__)
#include "kernels/matmul/tiles.body.h"
#endif

namespace attune::ATTUNE_ISA {

// Which engine multiplies numbers of type T.
template <class T, class Epilogue> struct EngineOf {
  using type = RegisterEngine<T, Epilogue>;
};
#if defined(__AMX_TILE__)
template <class Epilogue> struct EngineOf<bf16, Epilogue> {
  using type = TileEngine<Epilogue>;
};
#endif
template <class T, class Epilogue> using Engine = typename EngineOf<T, Epilogue>::type;

// Steps of a contraction block: all blocks as even as they can be, none deeper than the plan.
ATTUNE_INLINE long block_steps(long steps, const matmul::Plan& plan) {
  const long blocks = (steps + plan.depth / 32 - 1) / (plan.depth / 32);
  return blocks ? (steps + blocks - 1) / blocks : 1;
}

// workspace: workspace_floats() of matmul.h, for the view's plan.
template <class T, class Epilogue> static void product(const ProductView<T>& v, long first, long last, float* workspace, Epilogue&& e) {
  Engine<T, Epilogue> engine{v, e, workspace + v.plan.rows * v.plan.columns};
  engine.start();
  const long steps = engine.steps(), panels = v.right.columns / 32, depth = block_steps(steps, v.plan);
  const long group = steps <= depth ? panels : v.plan.columns / 32;
  for (long m = first; m < last; m += v.plan.rows) {
    const long end = last < m + v.plan.rows ? last : m + v.plan.rows;
    for (long n = 0; n < panels; n += group) {
      const long to = panels < n + group ? panels : n + group;
      for (long c = 0; c < steps; c += depth) {
        const long next = steps < c + depth ? steps : c + depth;
        engine.block(m, end, n, to, c, next, c == 0, next == steps, workspace);
      }
    }
  }
  engine.end();
}

struct NoEpilogue {
  inline __attribute__((always_inline)) void row(long, long, int, F16, F16) {}
};
// sums[column block][32-row block of this call][1024] += A B; fresh: they hold nothing yet. The order inside a block is the engine's own: drain() knows it.
template <class T> static void accumulate(const ProductView<T>& v, long first, long last, float* sums, bool fresh, float* workspace) {
  NoEpilogue none;
  Engine<T, NoEpilogue> engine{v, none, workspace + v.plan.rows * v.plan.columns};
  engine.start();
  const long steps = engine.steps(), depth = block_steps(steps, v.plan);
  for (long c = 0; c < steps; c += depth)
    engine.block(first, last, 0, v.right.columns / 32, c, steps < c + depth ? steps : c + depth, fresh && c == 0, false, sums);
  engine.end();
}
template <class T, class Epilogue> static void drain(const float* sums, long columns, long first, long last, Epilogue&& e) {
  const long blocks = (last - first + 31) / 32;
  for (long m = first; m < last; m += 32)
    for (long n = 0; n < columns / 32; n++)
      for (int r = 0; r < 32 && m + r < last; r++) {
        F16 lo, hi;
        Engine<T, NoEpilogue>::sums_of(sums + (n * blocks + (m - first) / 32) * kStep, r, lo, hi);
        e.row(m, n * 32, r, lo, hi);
      }
}

}  // namespace attune::ATTUNE_ISA
