#include "transformer/cpu/angles.h"
#include "base/layout.h"
#include <cstring>

namespace attune {

// All kinds but `dynamic` turn a position by the same angles in every sequence: those rows are made once and copied.
void Angles::turn(const std::vector<int>& positions, const std::vector<int>& lengths) {
  if (network_.positions != PositionKind::rotary) return;
  const long N = long(positions.size());
  cos_.reserve(round32(N) * half_ * 4), sin_.reserve(round32(N) * half_ * 4);
  Floats f;
  float factor = 1;
  long made_for = -1;
  const bool dynamic = network_.rotary.kind == rotary::Kind::dynamic;
  for (long t = 0; t < N; t++) {
    float *c = cos_.as<float>() + t * half_, *s = sin_.as<float>() + t * half_;
    if (dynamic) {
      if (made_for != lengths[t]) rotary::frequencies(network_.rotary, made_for = lengths[t], f, factor);
      rotary::row(f, factor, positions[t], half_, c, s);
      continue;
    }
    if (frequencies_.empty()) rotary::frequencies(network_.rotary, 0, frequencies_, factor_);
    for (long p = long(table_cos_.size()) / half_; p <= positions[t]; p++) {
      table_cos_.resize((p + 1) * half_), table_sin_.resize((p + 1) * half_);
      rotary::row(frequencies_, factor_, p, half_, &table_cos_[p * half_], &table_sin_[p * half_]);
    }
    memcpy(c, &table_cos_[positions[t] * half_], half_ * 4), memcpy(s, &table_sin_[positions[t] * half_], half_ * 4);
  }
}

}  // namespace attune
