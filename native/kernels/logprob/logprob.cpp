// Checks, and the choice of the variant by the instruction set of the calling thread.
#include "kernels/logprob/logprob.h"
#include "kernels/logprob/reference.h"

namespace attune::logprob {

static void check(const Forward& f) {
  const auto fail = [](const char* message) { throw Error("kernel_arguments", std::string("[logprob] ").append(message)); };
  if (f.V < 1 || round32(f.V) != f.head->N) fail("expected a head of V rows, rounded up to whole blocks of 32");
  if (f.softcap < 0) fail("softcap: expected 0 (none) or more");
  for (long m = 0; m < f.R; m++)
    if (f.targets[m] < 0 || f.targets[m] >= f.V) fail("targets: expected ids below V");
}

size_t forward_bytes(const Forward&, int) { return 64; }
size_t backward_bytes(const Backward&, int) { return 64; }

void forward(Team& team, const Forward& f, char*) {
  check(f);
  if (f.R) forward_reference(team, f);
}
void backward(Team& team, const Backward& b, char*) {
  check(b.f);
  if (b.g_entropy && !b.f.entropy)
    throw Error("kernel_arguments", "[logprob] g_entropy: expected the entropy of the forward pass beside it");
  if (b.f.R) backward_reference(team, b);
}

}  // namespace attune::logprob
