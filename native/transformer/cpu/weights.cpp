#include "transformer/cpu/weights.h"
#include <algorithm>
#include <atomic>
#include <cmath>

namespace attune {
namespace {

// Rows a packing task takes: 64, so that two tasks never touch the same block.
constexpr long kPackRows = 64;

}  // namespace

Weights::Weights(const Network& network, const Axes& axes, const Options& options, Team& team, std::function<void()> check_stop)
    : layers(network.layers + 1),
      network_(network),
      axes_(axes),
      options_(options),
      team_(team),
      check_stop_(std::move(check_stop)),
      tied_(network.tied()) {
  placed_.reserve(network.tensors.size());  // parts point into it
  for (const NetworkTensor& t : network.tensors) place(t);
  allocate();
}

// Where one place lies; rows of several places are appended.
void Weights::resolve(Placed& p, Place place, long layer, bool bias) {
  Layer &l = layers[layer], &head = layers.back();
  const auto norm = [&](Norm& n, const std::vector<int>* at = nullptr) {
    p.vector = bias ? &n.b : &n.w;
    if (at) p.row_at = *at;
  };
  const auto matrix = [&](Matrix& m) { p.matrix = &m; };
  const auto linear = [&](Linear& g, const std::vector<int>& at, const int* column_at = nullptr) {
    p.matrix = bias ? nullptr : &g.weight, p.vector = bias ? &g.bias : nullptr;
    p.row_at.insert(p.row_at.end(), at.begin(), at.end()), p.column_at = column_at;
    if (!bias && (g.parts.empty() || g.parts.back() != &p)) g.parts.push_back(&p);
  };
  static const std::vector<int> same;
  switch (place) {
    case Place::words:
      return matrix(words());
    case Place::positions:
      return matrix(positions);
    case Place::types:
      return matrix(types);
    case Place::vocabulary:
      return bias ? void(p.vector = &vocabulary_bias) : matrix(vocabulary);
    case Place::norm1:
      return norm(l.norm[kNorm1]);
    case Place::norm2:
      return norm(l.norm[kNorm2]);
    case Place::query_norm:
      return norm(l.norm[kQueryNorm], &axes_.head);
    case Place::key_norm:
      return norm(l.norm[kKeyNorm], &axes_.head);
    case Place::last_norm:
      return norm(head.norm[kLastNorm]);
    case Place::head_norm:
      return norm(head.norm[kHeadNorm]);
    case Place::query:
      return linear(l.group[kQkv], axes_.query);
    case Place::key:
      return linear(l.group[kQkv], axes_.key);
    case Place::value:
      return linear(l.group[kQkv], axes_.value);
    case Place::output:
      return linear(l.group[kO], same, axes_.attended.data());
    case Place::gate:
      return linear(l.group[kUp], axes_.gate);
    case Place::up:
      return linear(l.group[kUp], axes_.up);
    case Place::down:
      return linear(l.group[kDown], same);
    case Place::head_dense:
      return linear(head.group[kDense], same);
  }
}

void Weights::place(const NetworkTensor& t) {
  Placed& p = placed_.emplace_back();
  p.tensor = &t;
  for (const Place one : t.places) {
    resolve(p, one, t.layer, t.bias);
    const Extent e = extent(network_, one, t.bias);
    p.extent = {p.extent.rows + e.rows, e.columns};
  }
}

// The two directions of a product are needed where something below is trained.
void Weights::allocate() {
  const bool both = options_.train != Train::none;
  const auto matrix = [&](Matrix& m, long rows, bool back) { matmul::allocate(m.w, options_.dtype, rows, axes_.H, back); };
  matrix(vocabulary, axes_.V, false);
  if (!tied_) matrix(separate_words, axes_.V, false);
  if (network_.has(Place::positions)) matrix(positions, round32(network_.context), false);
  if (network_.types) matrix(types, round32(network_.types), false);
  for (size_t i = 0; i < layers.size(); i++)
    for (int k = 0; k < kGroups; k++) {
      Linear& g = layers[i].group[k];
      const bool head = i + 1 == layers.size();
      if (!g.parts.empty())
        matmul::allocate(g.weight.w, options_.dtype, head ? axes_.H : axes_.outputs(k), head ? axes_.H : axes_.inputs(k), both);
    }
  for (const Placed& p : placed_) {
    if (!p.vector) continue;
    const long size = p.row_at.empty() ? 0 : 1 + *std::max_element(p.row_at.begin(), p.row_at.end());
    p.vector->w.resize(std::max({p.vector->w.size(), size_t(round32(size)), size_t(round32(p.extent.rows))}), 0.f);
  }
  for (Layer& l : layers)
    for (Linear& g : l.group)
      if (!g.bias.w.empty()) g.bias.w.resize(g.weight.w.N, 0.f);
}

void Weights::load_matrix(const StoredTensor& t, const Placed& p) {
  check_stop_();
  const MappedFile file(t.path);
  const matmul::Source source{file.bytes(t), t.stored, p.extent.rows, p.extent.columns, p.rows(), p.column_at, p.tensor->transposed};
  std::atomic<bool> finite{true};
  team_.tasks((source.rows + kPackRows - 1) / kPackRows, [&](long i, int) {
    if (!matmul::pack(p.matrix->w, source, i * kPackRows, std::min(source.rows, (i + 1) * kPackRows))) finite = false;
  });
  if (!finite) not_finite(t);
}

void Weights::load_vector(const StoredTensor& t, const Placed& p) {
  const MappedFile file(t.path);
  const void* data = file.bytes(t);
  for (long i = 0; i < p.extent.rows; i++) {
    const float x = stored_to_float(data, t.stored, i);
    if (!std::isfinite(x)) not_finite(t);
    p.vector->w[p.rows() ? p.rows()[i] : i] = x;
  }
}

void Weights::load(const Tensors& tensors) {
  for (const Placed& p : placed_) {
    const StoredTensor& t = find_stored(tensors, network_, *p.tensor);
    p.matrix ? load_matrix(t, p) : load_vector(t, p);
  }
}

void Weights::read_stored(const Tensors& tensors, const NetworkTensor& tensor, std::vector<float>& out) const {
  check_stop_();
  const StoredTensor& t = find_stored(tensors, network_, tensor);
  const MappedFile file(t.path);
  const void* data = file.bytes(t);
  constexpr long kAtOnce = 64 << 10;
  const long n = long(out.size());
  team_.tasks((n + kAtOnce - 1) / kAtOnce, [&](long task, int) {
    for (long i = task * kAtOnce; i < std::min(n, (task + 1) * kAtOnce); i++) out[i] = stored_to_float(data, t.stored, i);
  });
}

}  // namespace attune
