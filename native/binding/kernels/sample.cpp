#include "kernels/sample/sample.h"
#include "binding/kernels.h"
#include <limits>

namespace attune::binding {

static Napi::Object run(const Arguments& a, Team&) {
  const Floats logits = a.floats("logits", -1);
  if (logits.empty()) a.fail("logits: expected at least one number");
  if (logits.size() > size_t(std::numeric_limits<int>::max())) a.fail("logits: expected fewer numbers than an id can count");
  Ints seen;
  if (a.has("seen")) seen = a.ints_within("seen", -1, 0, int(logits.size()) - 1);
  sample::Options o;
  const auto within = [&](const char* name, double least, double most, double otherwise) {
    const double x = a.number(name, otherwise);
    if (x < least || x > most)
      a.fail(std::string(name) + ": expected " + std::to_string(least) + " to " + std::to_string(most) + ", got " + std::to_string(x));
    return x;
  };
  o.temperature = float(within("temperature", 0, 1e6, 1));
  o.top_k = a.integer("topK", 0, 1L << 31, 0);
  o.top_p = float(within("topP", 0, 1, 1)), o.min_p = float(within("minP", 0, 1, 0));
  o.repetition_penalty = float(within("repetitionPenalty", 1e-6, 1e6, 1));
  o.seen = seen.data(), o.seen_count = long(seen.size());
  o.unit = within("unit", 0, 1, 0);
  const sample::Choice choice = sample::run(logits.data(), long(logits.size()), o);
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("id", choice.id), out.Set("logprob", choice.logprob);
  time_repeats(a, out, [&] { sample::run(logits.data(), long(logits.size()), o); });
  return out;
}
extern const Kernel sample_kernel{"sample", {cpu::Isa::reference}, run};

}  // namespace attune::binding
