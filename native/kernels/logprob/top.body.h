// The K likeliest of each row, compiled once per instruction set: logits are compared with the least that the row keeps as they leave the product.
#pragma once
#include "kernels/logprob/logprob.body.h"

namespace attune::ATTUNE_ISA::logprob_body {
using attune::logprob::Likeliest;

// What a row keeps: a heap with the worst first, smaller or of higher id.
struct Heap {
  float* logit;
  int* id;

  bool worse(long i, float x, int of) const { return logit[i] < x || (logit[i] == x && id[i] > of); }
  // Puts entry `at` of the first `count` where it belongs below.
  void sink(long at, long count) const {
    const float x = logit[at];
    const int of = id[at];
    for (long child; (child = 2 * at + 1) < count; at = child) {
      if (child + 1 < count && worse(child + 1, logit[child], id[child])) child++;
      if (!worse(child, x, of)) break;
      logit[at] = logit[child], id[at] = id[child];
    }
    logit[at] = x, id[at] = of;
  }
  void build(long count) const {
    for (long at = count / 2 - 1; at >= 0; at--) sink(at, count);
  }
  // Takes the place of the worst.
  void replace(float x, long of, long count) const { logit[0] = x, id[0] = int(of), sink(0, count); }
  // The best first.
  void sort(long count) const {
    while (--count > 0) {
      const float x = logit[0];
      const int of = id[0];
      logit[0] = logit[count], id[0] = id[count], logit[count] = x, id[count] = of;
      sink(0, count);
    }
  }
};

struct Keep {
  const Likeliest& p;

  // The first K ids fill the heap. Ids ascend, so a later one that equals the least does not replace it. Out of line: of V logits about K ln (V / K) enter.
  static __attribute__((noinline)) void enter(const Likeliest& p, long i, long n, F16 lo, F16 hi) {
    alignas(64) float z[32];
    store32(z, lo, hi);
    const Heap heap{p.logit + i * p.K, p.ids + i * p.K};
    for (long v = n; v < n + 32 && v < p.logits.real; v++)
      if (v >= p.K) {
        if (z[v - n] > heap.logit[0]) heap.replace(z[v - n], v, p.K);
      } else {
        heap.logit[v] = z[v - n], heap.id[v] = int(v);
        if (v == p.K - 1) heap.build(p.K);
      }
    p.limit[i] = heap.logit[0];
  }
  inline __attribute__((always_inline)) void row(long m, long n, int r, F16 lo, F16 hi) {
    const long i = m + r;
    if (__builtin_expect(p.logits.bias != nullptr, 0)) lo = lo + load(p.logits.bias + n), hi = hi + load(p.logits.bias + n + 16);
    if (__builtin_expect(p.logits.softcap > 0, 0)) lo = capped(lo, p.logits.softcap), hi = capped(hi, p.logits.softcap);
    // Padding columns may call it in vain.
    if (__builtin_expect(n < p.K || any_above(max(lo, hi), set1(p.limit[i])), 0)) enter(p, i, n, lo, hi);
  }
};

template <class T> static void likeliest_of(const Likeliest& p, float* workspace) {
  product<T>(view_of<T>(p.logits), 0, p.logits.rows, workspace, Keep{p});
  for (long i = 0; i < p.logits.rows; i++) Heap{p.logit + i * p.K, p.ids + i * p.K}.sort(p.K);
}

}  // namespace attune::ATTUNE_ISA::logprob_body
