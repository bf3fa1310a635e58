// What each block of queries sees, where tokens hide keys or bring positions of their own.
#include "kernels/attention/seen.h"
#include <algorithm>

namespace attune::attention {
namespace {

// Block q of the stretch of tokens first .. last, without the keys that it sees: those need the positions of all blocks.
Seen measured(const Shape& s, long first, long last, long q, Range* all) {
  const long from = first + q * 32, to = std::min(last, from + 32), n = last - first;
  Seen b{{{{0, 0}, {0, 0}}}, {n, 0}, s.positions[from], s.positions[from]};
  *all = {0, n};  // keys that every query hides
  for (long i = from; i < to; i++) {
    const Range hides{s.hidden_from[i] - first, s.hidden_to[i] - first};
    if (hides.from < hides.to) b.hidden = {std::min(b.hidden.from, hides.from), std::max(b.hidden.to, hides.to)};
    *all = {std::max(all->from, hides.from), std::min(all->to, hides.to)};
    b.nearest = std::min(b.nearest, long(s.positions[i])), b.latest = std::max(b.latest, long(s.positions[i]));
  }
  return b;
}

// The keys of block q but those that all hide. A hole at either end shortens the range.
Keys around(Range keys, Range hole) {
  if (hole.from <= keys.from) keys.from = std::max(keys.from, hole.to), hole = {keys.to, keys.to};
  if (hole.to >= keys.to) keys.to = std::min(keys.to, hole.from), hole = {keys.to, keys.to};
  return {{{keys.from, hole.from}, {hole.to, keys.to}}};
}

void add_stretch(const Shape& s, long first, long last, std::vector<Seen>& to) {
  const long base = long(to.size()), blocks = (last - first + 31) / 32, n = last - first;
  std::vector<Range> holes(blocks);
  for (long q = 0; q < blocks; q++) to.push_back(measured(s, first, last, q, &holes[q]));
  for (long q = 0; q < blocks; q++) {
    Range keys = keys_of(s, Range{q, q + 1}, blocks);
    while (s.window && keys.from < q && to[base + q].nearest - to[base + keys.from].latest >= s.window) keys.from++;
    const Range hole{(holes[q].from + 31) / 32, holes[q].to == n ? blocks : holes[q].to / 32};
    to[base + q].keys = around(keys, hole.from < hole.to ? hole : Range{keys.to, keys.to});
  }
}

}  // namespace

std::vector<Seen> seen_blocks(const Shape& s) {
  std::vector<Seen> all;
  if (s.hidden_from)
    for (long i = 0; i < s.sequences; i++) add_stretch(s, s.starts[i], s.starts[i + 1], all);
  return all;
}

}  // namespace attune::attention
