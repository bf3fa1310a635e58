// The memory of a pass, laid out by the list of its block (blocks/block.h): what each layer keeps, what all share, rows of the head.
#pragma once
#include "cpu/memory.h"
#include "transformer/blocks/blocks.h"
#include "transformer/cpu/axes.h"
#include "transformer/engine.h"
#include <vector>

namespace attune {

// What a layer leaves for its backward pass. With recomputation all layers share one.
struct Kept {
  std::vector<Memory> buffers;           // by number in the block's list; those of Life::kept
  Memory lse;                            // (heads, N)
  Memory mean[kNorms], inverse[kNorms];  // (M), of queries and keys (M, heads)
  Memory low[kGroups];                   // (M, ranks) of an adapter

  size_t bytes() const;
};

class Buffers {
 public:
  Buffers(const Network& network, const Options& options, const Axes& axes);
  // For N tokens; `keep`: a backward pass follows.
  void room(long N, bool keep);
  // For the gradients of N tokens; for R rows that a head reads; for their gradients.
  void back_room(long N);
  void head_room(long R);
  void head_back_room(long R);
  // Buffer `number` of layer i (i == layers: the head).
  char* at(long i, int number) { return memory(i, number).as<char>(); }
  Kept& kept(long i) { return i == layers_ ? head_ : kept_[each_layer_ ? i : 0]; }
  bool each_layer() const { return each_layer_; }
  const BufferList& list() const { return list_; }
  size_t bytes(long rows, long columns) const { return size_t(round32(rows)) * columns * bytes_of(options_.dtype); }
  size_t activation_bytes() const;
  size_t workspace_bytes() const;

 private:
  Memory& memory(long i, int number);
  void reserve(Life life, long rows, std::vector<Memory>& at);
  const Network& network_;
  const Options& options_;
  const Axes& axes_;
  const BufferList list_;
  const long layers_;
  bool keep_ = false, each_layer_ = false;
  std::vector<Kept> kept_;  // one a layer, or the first for all
  Kept head_;
  std::vector<Memory> inputs_;  // (M, H): the input of each layer and the output of the last; two by turns where nothing is kept
  std::vector<Memory> shared_;  // by number in the block's list: what no layer keeps
};

}  // namespace attune
