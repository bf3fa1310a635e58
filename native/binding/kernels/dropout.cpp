#include "kernels/dropout/dropout.h"
#include "binding/kernels.h"
#include "binding/rows.h"

namespace attune::binding {

static Napi::Object run(const Arguments& a, Team& team) {
  const Floats given = a.floats("x", -1);
  const long columns = a.integer("columns", 1, 1 << 20), M = long(given.size()) / columns, padded_columns = round32(columns);
  if (long(given.size()) % columns)
    a.fail("x: expected rows of " + std::to_string(columns) + ", got Float32Array of " + std::to_string(given.size()));
  const double p = a.number("p");
  if (!(p >= 0 && p < 1)) a.fail("p: expected 0 <= p < 1, got " + std::to_string(p));
  const Ints rows = a.ints("rowKeys", M);
  const std::vector<uint64_t> keys(rows.begin(), rows.end());
  const dropout::Site site{a.dtype(), uint64_t(a.integer("key", 0, 1L << 53)), uint64_t(a.integer("stream", 0, 1L << 53, 0)), keys.data(),
                           float(p)};
  const Rows x(site.dtype, given, M, columns, padded_columns), y(site.dtype, M, padded_columns);
  const auto once = [&] {
    team.rows(M, [&](long first, long last, int) { dropout::run(site, x.data(), y.data(), padded_columns, first, last); });
  };
  once();
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("y", y.to_js(a.env(), columns));
  time_repeats(a, out, once);
  return out;
}
extern const Kernel dropout_kernel{"dropout", {cpu::Isa::reference}, run};

}  // namespace attune::binding
