#include "transformer/cpu/parameters.h"
#include "base/error.h"
#include "kernels/gradient_norm/gradient_norm.h"
#include <algorithm>
#include <cmath>

namespace attune {

// Numbers per task: 64 Ki floats (256 KiB) of gradient, value and two moments pass through one core's L2 together.
constexpr long kChunk = 64 << 10;

Parameter& Parameters::add(Parameter p) {
  p.value.resize(p.size()), p.first.assign(p.size(), 0.f), p.second.assign(p.size(), 0.f);
  all_.push_back(std::move(p));
  chunks_.clear();
  return all_.back();
}

Parameter& Parameters::find(const std::string& name) {
  for (Parameter& p : all_)
    if (p.name == name) return p;
  throw Error("model_arguments", "no trained tensor is named " + name);
}

void Parameters::split() {
  if (!chunks_.empty()) return;
  for (size_t i = 0; i < all_.size(); i++) {
    const long step = std::max<long>(1, kChunk / std::max<long>(1, all_[i].columns));
    for (long r = 0; r < all_[i].rows; r += step) chunks_.push_back({i, r, std::min(all_[i].rows, r + step)});
  }
}

double Parameters::gradient_norm(Team& team) {
  split();
  std::vector<double> sums(chunks_.size());
  team.tasks(long(chunks_.size()), [&](long t, int) {
    const Chunk& c = chunks_[t];
    const Parameter& p = all_[c.parameter];
    std::vector<float> g((c.last - c.first) * p.columns);
    p.gather(c.first, c.last, g.data());
    sums[t] = gradient_norm::sum_of_squares(g.data(), long(g.size()));
  });
  double total = 0;
  for (const double s : sums) total += s;
  return std::sqrt(total);
}

void Parameters::step(Team& team, const adamw::Step& s) {
  split();
  team.tasks(long(chunks_.size()), [&](long t, int) {
    const Chunk& c = chunks_[t];
    Parameter& p = all_[c.parameter];
    const long at = c.first * p.columns, n = (c.last - c.first) * p.columns;
    std::vector<float> g(n);
    p.gather(c.first, c.last, g.data());
    adamw::Step own = s;
    if (p.vector) own.decay = 0;
    adamw::run(own, p.value.data() + at, g.data(), p.first.data() + at, p.second.data() + at, n);
  });
  repack(team);
}

void Parameters::repack(Team& team) {
  team.tasks(long(packers_.size()), [&](long t, int) { packers_[t](); });
}

}  // namespace attune
