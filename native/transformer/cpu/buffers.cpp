#include "transformer/cpu/buffers.h"
#include <algorithm>

namespace attune {

size_t Kept::bytes() const {
  size_t all = lse.bytes();
  for (const Memory& m : buffers) all += m.bytes();
  for (const auto* list : {&mean, &inverse})
    for (const Memory& m : *list) all += m.bytes();
  for (const Memory& m : low) all += m.bytes();
  return all;
}

Buffers::Buffers(const Network& network, const Options& options, const Axes& axes)
    : network_(network), options_(options), axes_(axes), list_(buffer_list(network)), layers_(network.layers), shared_(list_.count) {}

void Buffers::reserve(Life life, long rows, std::vector<Memory>& at) {
  at.resize(list_.count);
  for (int b = 0; b < list_.count; b++)
    if (list_.all[b].life == life) at[b].reserve(bytes(rows, axes_.of(list_.all[b].width)));
}

// Layers of their own only where the backward pass will read them again.
void Buffers::room(long N, bool keep) {
  keep_ = keep, each_layer_ = keep && !options_.recompute;
  const size_t layers = size_t(each_layer_ ? layers_ : 1), inputs = size_t(keep ? layers_ + 1 : 2);
  // Never fewer: an evaluation between steps must not free them.
  if (kept_.size() < layers) kept_.resize(layers);
  if (inputs_.size() < inputs) inputs_.resize(inputs);
  for (size_t i = 0; i < inputs; i++) inputs_[i].reserve(bytes(N, axes_.H));
  const long M = round32(N);
  for (size_t i = 0; i < layers; i++) {
    Kept& k = kept_[i];
    reserve(Life::kept, N, k.buffers);
    k.lse.reserve(network_.heads * M * 4);
    for (const int which : {kNorm1, kNorm2}) {
      k.inverse[which].reserve(M * 4);
      if (network_.norm == NormKind::layer) k.mean[which].reserve(M * 4);
    }
    if (!network_.head_norms()) continue;
    k.inverse[kQueryNorm].reserve(M * network_.heads * 4), k.inverse[kKeyNorm].reserve(M * network_.kv_heads * 4);
  }
  reserve(Life::pass, N, shared_);
  if (network_.head_norms()) reserve(Life::head_norms, N, shared_);
}

void Buffers::back_room(long N) { reserve(Life::back, N, shared_); }

void Buffers::head_room(long R) {
  reserve(Life::head, R, shared_);
  for (const int which : {kLastNorm, kHeadNorm}) {
    head_.inverse[which].reserve(round32(R) * 4);
    if (network_.norm == NormKind::layer) head_.mean[which].reserve(round32(R) * 4);
  }
}

void Buffers::head_back_room(long R) { reserve(Life::head_back, R, shared_); }

Memory& Buffers::memory(long i, int number) {
  switch (list_.all[number].life) {
    case Life::in:
      return inputs_[keep_ ? i : i % 2];
    case Life::out:
      return inputs_[keep_ ? i + 1 : (i + 1) % 2];
    case Life::kept:
      return kept(i).buffers[number];
    default:
      return shared_[number];
  }
}

size_t Buffers::activation_bytes() const {
  size_t all = 0;
  for (const Memory& m : inputs_) all += m.bytes();
  for (const Kept& k : kept_) all += k.bytes();
  return all;
}

size_t Buffers::workspace_bytes() const {
  size_t all = head_.bytes();
  for (const Memory& m : shared_) all += m.bytes();
  return all;
}

}  // namespace attune
