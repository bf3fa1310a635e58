#include "cpu/features.h"
#include "cpu/placement.h"
#include <cstdlib>
#include <cstring>
#include <thread>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#endif

namespace attune::cpu {
namespace {

#if defined(__x86_64__)
// The kernel grants the 8 KiB of tile state only on request (arch_prctl ARCH_REQ_XCOMP_PERM for feature 18, tile data), once per process.
bool permit_tiles() {
#if defined(__linux__)
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
  return false;
#endif
}
bool has_amx_bits() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  return (d & (1u << 22)) && (d & (1u << 24));  // amx-bf16, amx-tile
}
bool has_avx512_bf16() {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5));
}
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi") && has_avx512_bf16();
}
#endif

Isa find() {
  Isa found = Isa::reference;
#if defined(__x86_64__)
  __builtin_cpu_init();
#if defined(ATTUNE_HAVE_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found = Isa::avx2;
#endif
#if defined(ATTUNE_HAVE_AVX512)
  if (found == Isa::avx2 && has_avx512()) found = Isa::avx512;
#endif
#if defined(ATTUNE_HAVE_AMX)
  if (found == Isa::avx512 && has_amx_bits() && permit_tiles()) found = Isa::amx;
#endif
#endif
  return found;
}

Isa limited() {
  Isa best = available();
  const char* asked = getenv("ATTUNE_CPU");
  for (int i = 0; asked && i <= int(best); i++)
    if (!strcmp(asked, name(Isa(i)))) return Isa(i);
  return best;
}

}  // namespace

Isa available() {
  static const Isa isa = find();
  return isa;
}
Isa best() {
  static const Isa isa = limited();
  return isa;
}
namespace {
thread_local int forced = -1;
}
Isa chosen() { return forced < 0 ? best() : Isa(forced); }
Choose::Choose(Isa isa) : before_(forced) { forced = int(isa); }
Choose::~Choose() { forced = before_; }
const char* name(Isa isa) {
  static const char* const names[] = {"reference", "avx2", "avx512", "amx"};
  return names[int(isa)];
}
std::string features() {
  std::string all;
#if defined(__x86_64__)
  auto add = [&](bool has, const char* what) {
    if (has) all += (all.empty() ? "" : " "), all += what;
  };
  add(__builtin_cpu_supports("avx2"), "avx2"), add(__builtin_cpu_supports("fma"), "fma"), add(__builtin_cpu_supports("avx512f"), "avx512f");
  add(__builtin_cpu_supports("avx512bw"), "avx512bw"), add(has_avx512_bf16(), "avx512_bf16"), add(has_amx_bits(), "amx_bf16");
#endif
  return all;
}
int allowed_cpus() {
  const int listed = int(allowed_list().size()), n = listed ? listed : int(std::thread::hardware_concurrency());
  return default_threads(n, cpu_quota(""));
}
long l1_bytes() {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  const long n = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  if (n > 0) return n;
#endif
  return 48 << 10;
}
long l2_bytes() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  const long n = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (n > 0) return n;
#endif
  return 2 << 20;
}

}  // namespace attune::cpu
