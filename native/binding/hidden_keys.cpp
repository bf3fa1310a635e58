#include "binding/hidden_keys.h"

namespace attune::binding {
namespace {

std::string at(const char* name, int i) { return std::string(name) + "[" + std::to_string(i) + "]"; }

// One sequence: tokens first .. last.
void check(const Arguments& a, const HiddenKeys& h, int first, int last) {
  for (int i = first; i < last; i++) {
    if (h.positions[i] < 0 || h.positions[i] >= last - first)
      a.fail(at("positions", i) + ": expected 0 to " + std::to_string(last - first - 1) + ", as its sequence has " +
             std::to_string(last - first) + " tokens, got " + std::to_string(h.positions[i]));
    const std::string got = ", got " + std::to_string(h.from[i]) + " to " + std::to_string(h.to[i]);
    if (h.from[i] < first || h.to[i] > last || h.from[i] > h.to[i])
      a.fail(at("hiddenFrom", i) + " and " + at("hiddenTo", i) + ": expected keys of its sequence, tokens " + std::to_string(first) +
             " to " + std::to_string(last) + got);
    if (h.from[i] <= i && i < h.to[i]) a.fail(at("hiddenFrom", i) + " and " + at("hiddenTo", i) + ": a token must see itself" + got);
  }
}

}  // namespace

HiddenKeys::HiddenKeys(const Arguments& a, const Ints& starts, long N)
    : positions(a.ints("positions", N, true)), from(a.ints("hiddenFrom", N, true)), to(a.ints("hiddenTo", N, true)) {
  if (from.size() != to.size()) a.fail("hiddenFrom and hiddenTo: expected both or none");
  bool plain = true;
  Ints places;
  for (size_t s = 0; s + 1 < starts.size(); s++)
    for (int i = starts[s]; i < starts[s + 1]; i++) places.push_back(i - starts[s]);
  if (positions.empty()) positions = places;
  if (from.empty()) from = to = Ints(N, 0);
  for (size_t s = 0; s + 1 < starts.size(); s++) {
    // Whatever an empty interval says, nothing is hidden: it is put at its sequence's start.
    for (int i = starts[s]; i < starts[s + 1]; i++)
      if (from[i] == to[i])
        from[i] = to[i] = starts[s];
      else
        plain = false;
    check(a, *this, starts[s], starts[s + 1]);
  }
  if (plain && positions == places) positions.clear(), from.clear(), to.clear();
}

}  // namespace attune::binding
