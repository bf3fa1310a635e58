#include "cpu/ceiling.h"
#include "cpu/ceiling.body.h"
#include "cpu/memory.h"
#include "cpu/variant.h"
#include <chrono>
#include <functional>

namespace attune::cpu {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// `work(thread)` does a piece of work and says how much; whole rounds of all threads are repeated until `seconds` are over. -> work per second
double rate(Team& team, double seconds, const std::function<double(int)>& work) {
  std::vector<double> done(size_t(team.size()), 0.0);
  const auto round = [&](int thread, int) { done[size_t(thread)] += work(thread); };
  team.run(round);  // clocks, caches and pages settle
  done.assign(done.size(), 0.0);
  const Clock::time_point start = Clock::now();
  do team.run(round);
  while (since(start) < seconds);
  double all = 0;
  for (const double d : done) all += d;
  return all / since(start);
}

// Random numbers in 0.25 .. 1: products stay far from overflow and from denormals.
template <class T> Memory random_numbers(long n) {
  Memory m(size_t(n) * sizeof(T));
  uint64_t state = 0x9e3779b97f4a7c15u;
  for (long i = 0; i < n; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const float x = 0.25f + 0.75f * float(state >> 40) / float(1 << 24);
    if constexpr (sizeof(T) == 2)
      m.as<T>()[i] = to_bf16((state >> 33) & 1 ? x : -x);
    else
      m.as<T>()[i] = x;
  }
  return m;
}

// About a millisecond of work between two looks at the clock.
constexpr long kRounds = 100000;

long whole_lines(long bytes) { return (bytes + 255) / 256 * 64; }

}  // namespace

double multiply_portable(const float* numbers, long rounds, float* sink) {
  return ATTUNE_ISA::ceiling_body::multiply(numbers, rounds, sink);
}
void read_portable(const float* from, long n, float* sink) { ATTUNE_ISA::ceiling_body::read(from, n, sink); }
void copy_portable(const float* from, float* to, long n) { ATTUNE_ISA::ceiling_body::copy(from, to, n); }

double multiply_ceiling(Team& team, DType dtype, double seconds) {
  Memory sinks(size_t(team.size()) * 256);
#if defined(ATTUNE_HAVE_AMX)
  if (chosen() >= Isa::amx && dtype == DType::bf16) {
    const Memory numbers = random_numbers<bf16>(4096);
    return rate(team, seconds, [&](int t) { return multiply_amx(numbers.as<bf16>(), kRounds / 5, sinks.as<float>(size_t(t) * 256)); });
  }
#endif
  const Memory numbers = random_numbers<float>(4096);
  const auto multiply = variant(multiply_portable, ATTUNE_AVX2(multiply_avx2), ATTUNE_AVX512(multiply_avx512));
  return rate(team, seconds, [&](int t) { return multiply(numbers.as<float>(), kRounds, sinks.as<float>(size_t(t) * 256)); });
}

double read_ceiling(Team& team, long bytes, double seconds) {
  const long n = whole_lines(bytes);
  std::vector<Memory> buffers;
  for (int t = 0; t < team.size(); t++) buffers.push_back(random_numbers<float>(n));
  Memory sinks(size_t(team.size()) * 256);
  const auto read = variant(read_portable, ATTUNE_AVX2(read_avx2), ATTUNE_AVX512(read_avx512));
  return rate(team, seconds, [&](int t) {
    read(buffers[size_t(t)].as<float>(), n, sinks.as<float>(size_t(t) * 256));
    return 4.0 * double(n);
  });
}

double copy_ceiling(Team& team, long bytes, double seconds) {
  const long n = whole_lines(bytes);
  std::vector<Memory> from, to;
  for (int t = 0; t < team.size(); t++) from.push_back(random_numbers<float>(n)), to.emplace_back(size_t(n) * 4);
  const auto copy = variant(copy_portable, ATTUNE_AVX2(copy_avx2), ATTUNE_AVX512(copy_avx512));
  return rate(team, seconds, [&](int t) {
    copy(from[size_t(t)].as<float>(), to[size_t(t)].as<float>(), n);
    return 8.0 * double(n);
  });
}

}  // namespace attune::cpu
