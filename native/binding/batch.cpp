#include "binding/batch.h"
#include "binding/hidden_keys.h"
#include <algorithm>

namespace attune::binding {

Batch read_batch(const Arguments& a, const Network& c) {
  Batch b;
  b.tokens = plain(a.ints_within("tokens", -1, 0, int(c.vocabulary - 1)));
  const int N = int(b.N());
  b.starts = plain(a.starts("sequenceStarts", N));
  // Each argument is read once: one that JavaScript computes may be another the next time.
  const bool by_rows = a.has("targetRows");
  if (by_rows) {
    b.targets.assign(N, -1);
    b.rows = plain(a.ints_within("targetRows", -1, 0, N - 1));
    b.ids = plain(a.ints_within("targetIds", long(b.rows.size()), 0, int(c.vocabulary - 1)));
  } else {
    b.targets = a.has("targets") ? plain(a.ints_within("targets", N, -1, int(c.vocabulary - 1))) : std::vector<int>(N, -1);
  }
  if (a.has("candidates")) {
    b.candidates = plain(a.ints_within("candidates", -1, 0, int(c.vocabulary - 1)));
    const size_t R = by_rows ? b.rows.size() : size_t(std::count_if(b.targets.begin(), b.targets.end(), [](int t) { return t >= 0; }));
    if (R ? b.candidates.size() % R : b.candidates.size())
      a.fail("candidates: expected as many ids for each of " + std::to_string(R) + " targets, got " + std::to_string(b.candidates.size()));
  }
  if (a.has("scoreRows")) b.scores = plain(a.ints_within("scoreRows", -1, 0, N - 1));
  b.keys = plain(a.ints("sequenceKeys", -1, true));
  const size_t S = b.starts.size() - 1, keys = b.keys.size();
  if ((keys || a.has("sequenceKeys")) && keys != S && keys != size_t(N))
    a.fail("sequenceKeys: expected an Int32Array of " + std::to_string(S) + ", a sequence each, or of " + std::to_string(N) +
           ", a token each, got " + std::to_string(keys));
  const HiddenKeys hidden(a, {b.starts.begin(), b.starts.end()}, N);
  b.positions = plain(hidden.positions), b.hidden_from = plain(hidden.from), b.hidden_to = plain(hidden.to);
  return b;
}

}  // namespace attune::binding
