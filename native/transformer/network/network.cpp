#include "transformer/network/network.h"
#include "base/error.h"
#include <algorithm>
#include <map>
#include <tuple>

namespace attune {
namespace {

const char* name_of(Place p) {
  static const char* const names[] = {"words",  "positions", "types", "norm1", "query", "key",      "value",     "queryNorm", "keyNorm",
                                      "output", "norm2",     "gate",  "up",    "down",  "lastNorm", "headDense", "headNorm",  "vocabulary"};
  return names[int(p)];
}

bool is_norm(Place p) {
  return p == Place::norm1 || p == Place::norm2 || p == Place::query_norm || p == Place::key_norm || p == Place::last_norm ||
         p == Place::head_norm;
}
bool of_a_layer(Place p) { return p >= Place::norm1 && p <= Place::down; }

[[noreturn]] void fail(const std::string& what) { throw Error("model_arguments", "config.tensors: " + what); }

// The places that a network of these facts must have, in each layer or once.
std::vector<Place> needed(const Network& n) {
  std::vector<Place> all = {Place::words,  Place::norm1, Place::query, Place::key,  Place::value,
                            Place::output, Place::norm2, Place::up,    Place::down, Place::last_norm};
  if (n.gated) all.push_back(Place::gate);
  if (n.positions == PositionKind::table) all.push_back(Place::positions);
  if (n.types) all.push_back(Place::types);
  if (n.has(Place::query_norm) || n.has(Place::key_norm)) all.push_back(Place::query_norm), all.push_back(Place::key_norm);
  if (n.norm_place == NormPlace::after) all.push_back(Place::head_dense), all.push_back(Place::head_norm);
  return all;
}

// Whether a place may be there at all, its bias apart.
bool allowed(const Network& n, const NetworkTensor& t, Place p) {
  if (p == Place::gate) return n.gated;
  if (p == Place::head_dense || p == Place::head_norm) return n.norm_place == NormPlace::after;  // encoder.h
  if (p == Place::positions) return n.positions == PositionKind::table && !t.bias;
  if (p == Place::types) return n.types > 0 && !t.bias;
  if (p == Place::words) return !t.bias;
  if (is_norm(p) && t.bias) return n.norm == NormKind::layer && p != Place::query_norm && p != Place::key_norm;
  return true;
}

}  // namespace

bool Network::has(Place place) const {
  return std::any_of(tensors.begin(), tensors.end(), [&](const NetworkTensor& t) {
    return !t.bias && std::find(t.places.begin(), t.places.end(), place) != t.places.end();
  });
}

Extent extent(const Network& n, Place place, bool bias) {
  const auto of = [&]() -> Extent {
    switch (place) {
      case Place::words:
      case Place::vocabulary:
        return {n.vocabulary, n.hidden};
      case Place::positions:
        return {n.context, n.hidden};
      case Place::types:
        return {n.types, n.hidden};
      case Place::query:
        return {n.heads * n.head_size, n.hidden};
      case Place::key:
      case Place::value:
        return {n.kv_heads * n.head_size, n.hidden};
      case Place::output:
        return {n.hidden, n.heads * n.head_size};
      case Place::gate:
      case Place::up:
        return {n.inner, n.hidden};
      case Place::down:
        return {n.hidden, n.inner};
      case Place::head_dense:
        return {n.hidden, n.hidden};
      case Place::query_norm:
      case Place::key_norm:
        return {n.head_size, 0};
      default:
        return {n.hidden, 0};
    }
  };
  return bias ? Extent{of().rows, 0} : of();
}

std::vector<long> stored_shape(const Network& n, const NetworkTensor& t) {
  Extent all{0, 0};
  for (const Place p : t.places) all = {all.rows + extent(n, p, t.bias).rows, extent(n, p, t.bias).columns};
  if (!all.columns) return {all.rows};
  return t.transposed ? std::vector<long>{all.columns, all.rows} : std::vector<long>{all.rows, all.columns};
}

void check_tensors(const Network& n) {
  std::map<std::tuple<Place, long, bool>, long> filled;
  for (const NetworkTensor& t : n.tensors) {
    if (t.places.empty()) fail(t.name + " has no place");
    for (const Place p : t.places) {
      const bool vector = !extent(n, p, t.bias).columns;
      if (vector && (t.transposed || (is_norm(p) && t.places.size() > 1)))
        fail(t.name + " is a vector: it is neither transposed nor fused");
      if (extent(n, p, t.bias).columns != extent(n, t.places[0], t.bias).columns) fail(t.name + ": its places have different inputs");
      if (of_a_layer(p) ? t.layer < 0 || t.layer >= n.layers : t.layer != 0)
        fail(t.name + ": there is no layer " + std::to_string(t.layer) + " of '" + name_of(p) + "'");
      if (!allowed(n, t, p)) fail(t.name + ": this network has no '" + name_of(p) + (t.bias ? "' with a bias" : "'"));
      if (filled[{p, t.layer, t.bias}]++)
        fail(std::string("'") + name_of(p) + "' of layer " + std::to_string(t.layer) + " is filled twice");
    }
  }
  for (const Place p : needed(n))
    for (long i = 0; i < (of_a_layer(p) ? n.layers : 1); i++)
      if (!filled.count({p, i, false})) fail(std::string("nothing fills '") + name_of(p) + "' of layer " + std::to_string(i));
  // A linear layer that shares its input with others has a bias where they have one: they are one product.
  for (const auto& group : {std::vector<Place>{Place::query, Place::key, Place::value}, {Place::gate, Place::up}})
    for (long i = 0; i < n.layers; i++) {
      if (group[0] == Place::gate && !n.gated) continue;
      for (const Place p : group)
        if (filled.count({p, i, true}) != filled.count({group[0], i, true}))
          fail(std::string("layer ") + std::to_string(i) + ": '" + name_of(p) + "' and '" + name_of(group[0]) +
               "' have a bias both or neither");
    }
  for (const auto& [where, count] : filled)
    if (std::get<2>(where) && !filled.count({std::get<0>(where), std::get<1>(where), false}) && std::get<0>(where) != Place::vocabulary)
      fail(std::string("'") + name_of(std::get<0>(where)) + "' has a bias and no weight");
}

}  // namespace attune
