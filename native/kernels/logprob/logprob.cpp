// Checks, and the choice of the variant by the instruction set of the calling thread.
#include "kernels/logprob/logprob.h"
#include "base/error.h"
#include "cpu/variant.h"
#include "kernels/logprob/passes.h"

namespace attune::logprob {

const Table* table() {
  return cpu::variant<const Table*>(nullptr, ATTUNE_AVX2(&avx2_table), ATTUNE_AVX512(&avx512_table), ATTUNE_AMX(&amx_table));
}

namespace {

void check(const Forward& f) {
  const auto fail = [](const char* message) { throw Error("kernel_arguments", std::string("[logprob] ").append(message)); };
  if (f.V < 1 || round32(f.V) != f.head->N) fail("expected a head of V rows, rounded up to whole blocks of 32");
  if (f.softcap < 0) fail("softcap: expected 0 (none) or more");
  for (long m = 0; m < f.R; m++)
    if (f.targets[m] < 0 || f.targets[m] >= f.V) fail("targets: expected ids below V");
}

}  // namespace

size_t forward_bytes(const Forward& f, int threads) { return table() && f.R ? forward_pass_bytes(f, threads) : 64; }
size_t backward_bytes(const Backward& b, int threads) { return table() && b.f.R ? backward_pass_bytes(b, threads) : 64; }

void forward(Team& team, const Forward& f, char* workspace) {
  check(f);
  if (f.R == 0) return;
  if (const Table* t = table())
    forward_passes(*t, team, f, workspace);
  else
    forward_reference(team, f);
}
void backward(Team& team, const Backward& b, char* workspace) {
  check(b.f);
  if (b.g_entropy && !b.f.entropy)
    throw Error("kernel_arguments", "[logprob] g_entropy: expected the entropy of the forward pass beside it");
  if (b.f.R == 0) return;
  if (const Table* t = table())
    backward_passes(*t, team, b, workspace);
  else
    backward_reference(team, b);
}

}  // namespace attune::logprob
