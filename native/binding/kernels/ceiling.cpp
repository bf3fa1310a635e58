#include "cpu/ceiling.h"
#include "binding/kernels.h"
#include <algorithm>

namespace attune::binding {

static Napi::Object run(const Arguments& a, Team& team) {
  const int kind = a.choice("kind", {"multiply", "read", "copy"}, 0);
  const double seconds = a.number("seconds", 0.05);
  if (!(seconds >= 0 && seconds <= 60)) a.fail("seconds: expected 0 to 60, got " + std::to_string(seconds));
  // 4 GiB in all: each thread has its own buffer.
  const long bytes = a.integer("bytes", 1, (1L << 32) / team.size(), std::min(64L << 20, (1L << 32) / team.size()));
  const double rate = kind == 0   ? cpu::multiply_ceiling(team, a.dtype(), seconds)
                      : kind == 1 ? cpu::read_ceiling(team, bytes, seconds)
                                  : cpu::copy_ceiling(team, bytes, seconds);
  Napi::Object out = Napi::Object::New(a.env());
  out.Set("perSecond", rate);
  return out;
}
extern const Kernel ceiling_kernel{"ceiling", {cpu::Isa::reference, cpu::Isa::avx2, cpu::Isa::avx512, cpu::Isa::amx}, run};

}  // namespace attune::binding
