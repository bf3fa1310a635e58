// Which instruction sets this process may use, decided once at start.
#pragma once
#include <string>

namespace attune::cpu {

// In rising order: a machine (or ATTUNE_CPU) that allows one allows all before it.
enum class Isa : int { reference = 0, avx2 = 1, avx512 = 2, amx = 3 };

// The best set that the processor, the operating system, the build and ATTUNE_CPU allow. AMX tile state is requested of the kernel on first use.
Isa best();
// What the machine and the build allow, whatever ATTUNE_CPU says.
Isa available();
const char* name(Isa isa);
// The set that kernels called by this thread run: best() unless a Choose is alive. A Team hands its caller's choice to its workers.
Isa chosen();
// For tests, benches and kernels called from JavaScript: another set than the best, for the life of this object, on this thread.
class Choose {
 public:
  explicit Choose(Isa isa);
  ~Choose();
  Choose(const Choose&) = delete;

 private:
  int before_;
};
// Names of the features found, for `doctor`: "avx2 fma avx512f …".
std::string features();
// CPUs that this process may use at a time: those of its affinity mask, as many as the quota of its control group pays for.
int allowed_cpus();
// Bytes of L1d and L2 of one core (48 KiB and 2 MiB where unknown).
long l1_bytes();
long l2_bytes();

}  // namespace attune::cpu
