// Checks, the choice of a variant, and the lists of tasks that the variants in blocks work through.
#include "kernels/attention/attention.h"
#include "base/error.h"
#include "cpu/variant.h"
#include "kernels/attention/seen.h"
#include "kernels/attention/variants.h"
#include <algorithm>
#include <atomic>
#include <numeric>

namespace attune::attention {
namespace {

void check(bool good, const std::string& message) {
  if (!good) throw Error("kernel_arguments", "[attention] " + message);
}
// Hidden scores and starting maxima (blocks.h) are huge finite numbers times these factors.
void check_factors(float scale, float softcap) {
  check(scale >= 1e-20f && scale <= 1e6f, "scale: expected 1e-20 to 1e6, got " + std::to_string(scale));
  check(softcap == 0 || (softcap >= 1e-6f && softcap <= 1e6f), "softcap: expected 0 or 1e-6 to 1e6, got " + std::to_string(softcap));
}
void check_heads(long D, long heads, long kv_heads) {
  check(D >= 64 && D <= kMostHead && D % 64 == 0, "D: expected 64, 128, 192 or 256, got " + std::to_string(D));
  check(kv_heads >= 1 && heads >= 1 && heads % kv_heads == 0,
        "heads: expected a multiple of kv_heads, got " + std::to_string(heads) + " and " + std::to_string(kv_heads));
}
void check(const Shape& s) {
  check_heads(s.D, s.heads, s.kv_heads), check_factors(s.scale, s.softcap);
  check(s.window >= 0, "window: expected 0 or more, got " + std::to_string(s.window));
  check(!s.cos == !s.sin, "cos and sin: expected both or none");
  check(!s.positions == !s.hidden_from && !s.hidden_from == !s.hidden_to, "positions, hidden_from and hidden_to: expected all or none");
}

// Null: the reference.
const Blocked* variant(DType t) {
#if defined(ATTUNE_HAVE_AMX)
  if (cpu::chosen() >= cpu::Isa::amx && t == DType::bf16) return &blocked_amx();
#endif
#if defined(ATTUNE_HAVE_AVX512)
  if (cpu::chosen() >= cpu::Isa::avx512) return &blocked_avx512(t);
#endif
#if defined(ATTUNE_HAVE_AVX2)
  if (cpu::chosen() >= cpu::Isa::avx2) return &blocked_avx2(t);
#endif
  (void)t;
  return nullptr;
}

const Paged& paged(DType t) { return cpu::variant(paged_reference, ATTUNE_AVX2(paged_avx2), ATTUNE_AVX512(paged_avx512))(t); }

long blocks_of(const Shape& s, long i) { return (s.starts[i + 1] - s.starts[i] + 31) / 32; }
long chunks_of(const Shape& s, long i) { return (blocks_of(s, i) + kKeyBlocks - 1) / kKeyBlocks; }

// Workspace: packed arrays, sums of gradients, turns, then the threads' own parts; every part a multiple of 64 bytes.
struct Room {
  size_t packed, sums, turns, own;  // bytes of one of each
  size_t arrays;
  Room(const Shape& s, const Blocked& v, bool backward) {
    long blocks = 0, chunks = 0;
    for (long i = 0; i < s.sequences; i++) blocks += blocks_of(s, i), chunks += chunks_of(s, i);
    const size_t numbers = size_t(s.kv_heads) * blocks * s.D * 32;
    arrays = backward ? v.backward_arrays : v.forward_arrays;
    packed = numbers * v.packed_bytes, sums = backward ? numbers * 4 : 0;
    turns = backward ? (size_t(s.kv_heads) * chunks * 4 + 63) / 64 * 64 : 0;
    own = ((backward ? v.backward_own : v.forward_own)(s.D) + 63) / 64 * 64;
  }
  size_t shared() const { return arrays * packed + 2 * sums + turns; }
  size_t bytes(int threads) const { return shared() + threads * own; }
};

// Sequences, longest first: the last tasks of a list, which leave threads without work, are short ones then.
std::vector<Task> sequences(const Shape& s) {
  std::vector<Task> all;
  for (long i = 0, base = 0, chunk = 0; i < s.sequences; base += blocks_of(s, i), chunk += chunks_of(s, i), i++)
    if (s.starts[i + 1] > s.starts[i]) all.push_back({s.starts[i], s.starts[i + 1], base, chunk, 0, 0, 0});
  std::stable_sort(all.begin(), all.end(), [](const Task& a, const Task& b) { return a.last - a.first > b.last - b.first; });
  return all;
}

using Tasks = std::vector<Task>;
void add(Tasks& all, Task t, long head, long from, long step) {
  t.head = head, t.from = from, t.to = std::min(from + step, task_blocks(t)), all.push_back(t);
}

// Stretches of blocks of each key/value head.
Tasks head_tasks(const Shape& s) {
  Tasks all;
  for (const Task& t : sequences(s))
    for (long g = 0; g < s.kv_heads; g++)
      for (long b = 0; b < task_blocks(t); b += kPackBlocks) add(all, t, g, b, kPackBlocks);
  return all;
}
// The last queries of a causal sequence see most keys: they come first. Heads of a group together, for their keys are in the cache.
Tasks forward_tasks(const Shape& s) {
  Tasks all;
  for (const Task& t : sequences(s))
    for (long b = (task_blocks(t) - 1) / kQueryBlocks * kQueryBlocks; b >= 0; b -= kQueryBlocks)
      for (long h = 0; h < s.heads; h++) add(all, t, h, b, kQueryBlocks);
  return all;
}
// In the order of turn_of for each key/value head; by turns for the heads, so that neighbours in the list do not wait for each other.
Tasks backward_tasks(const Shape& s) {
  Tasks all;
  const long per = s.heads / s.kv_heads;
  for (const Task& t : sequences(s))
    for (long member = 0; member < per; member++)
      for (long b = 0, step = backward_blocks(s.D, task_blocks(t)); b < task_blocks(t); b += step)
        for (long g = 0; g < s.kv_heads; g++) add(all, t, g * per + member, b, step);
  return all;
}

void await(const int* turn, int value) {
  const std::atomic_ref<int> now(*const_cast<int*>(turn));
  for (int spins = 0; now.load(std::memory_order_acquire) != value; spins++)
    if (spins > 4000) std::this_thread::yield();  // more threads than CPUs: whoever is to pass may not be running
}
void pass(int* turn) { std::atomic_ref<int>(*turn).fetch_add(1, std::memory_order_release); }

Job job_of(const Shape& s, const Room& room, char* workspace) {
  Job j{};
  j.shape = s, j.columns = (s.heads + 2 * s.kv_heads) * s.D, j.tokens = s.starts[s.sequences];
  for (long i = 0; i < s.sequences; i++) j.blocks += blocks_of(s, i), j.chunks += chunks_of(s, i);
  j.factor = (s.softcap ? s.softcap : s.scale) * 1.44269504088896341f;
  for (size_t i = 0; i < room.arrays; i++) j.packed[i] = workspace + i * room.packed;
  char* after = workspace + room.arrays * room.packed;
  j.dk = reinterpret_cast<float*>(after), j.dv = reinterpret_cast<float*>(after + room.sums),
  j.turns = reinterpret_cast<int*>(after + 2 * room.sums);
  memset(j.turns, 0, room.turns);
  j.await = await, j.pass = pass;
  return j;
}

template <class Work> void run(Team& team, const Tasks& tasks, const Work& work) {
  team.tasks(long(tasks.size()), [&](long i, int thread) { work(tasks[i], thread); });
}

void forward_blocked(const Blocked& v, Team& team, const Forward& f, char* workspace) {
  const Room room(f.shape, v, false);
  Job j = job_of(f.shape, room, workspace);
  j.qkv = f.qkv, j.out = f.out, j.lse = f.lse;
  const auto own = [&](int thread) { return workspace + room.shared() + thread * room.own; };
  const std::vector<Seen> seen = seen_blocks(f.shape);
  j.seen = seen.empty() ? nullptr : seen.data();
  run(team, head_tasks(f.shape), [&](const Task& t, int thread) { v.pack(j, t, false, own(thread)); });
  run(team, forward_tasks(f.shape), [&](const Task& t, int thread) { v.forward(j, t, own(thread)); });
}

void backward_blocked(const Blocked& v, Team& team, const Backward& b, char* workspace) {
  const Room room(b.shape, v, true);
  Job j = job_of(b.shape, room, workspace);
  j.qkv = b.qkv, j.out = const_cast<void*>(b.out), j.lse = const_cast<float*>(b.lse), j.dout = b.dout, j.dqkv = b.dqkv;
  const auto own = [&](int thread) { return workspace + room.shared() + thread * room.own; };
  const std::vector<Seen> seen = seen_blocks(b.shape);
  j.seen = seen.empty() ? nullptr : seen.data();
  const Tasks heads = head_tasks(b.shape);
  run(team, heads, [&](const Task& t, int thread) { v.pack(j, t, true, own(thread)); });
  run(team, backward_tasks(b.shape), [&](const Task& t, int thread) { v.backward(j, t, own(thread)); });
  run(team, heads, [&](const Task& t, int) { v.finish(j, t); });
}

// Rows N .. round32(N) of a rows-layout matrix.
void zero_tail(void* x, DType dtype, long N, long columns) {
  for (long m = N; m < round32(N); m++)
    for (long k = 0; k < columns; k += 32)
      memset(static_cast<char*>(x) + rows_index(m, k, columns) * bytes_of(dtype), 0, 32 * bytes_of(dtype));
}

}  // namespace

size_t forward_bytes(const Shape& s, int threads) {
  const Blocked* v = variant(s.dtype);
  return v ? Room(s, *v, false).bytes(threads) : forward_bytes_reference(s, threads);
}
size_t backward_bytes(const Shape& s, int threads) {
  const Blocked* v = variant(s.dtype);
  return v ? Room(s, *v, true).bytes(threads) : backward_bytes_reference(s, threads);
}

void forward(Team& team, const Forward& f, char* workspace) {
  const Shape& s = f.shape;
  check(s);
  if (const Blocked* v = variant(s.dtype))
    forward_blocked(*v, team, f, workspace);
  else
    forward_reference(team, f, workspace);
  zero_tail(f.out, s.dtype, s.starts[s.sequences], s.heads * s.D);
}

void backward(Team& team, const Backward& b, char* workspace) {
  const Shape& s = b.shape;
  check(s);
  if (const Blocked* v = variant(s.dtype))
    backward_blocked(*v, team, b, workspace);
  else
    backward_reference(team, b, workspace);
  zero_tail(b.dqkv, s.dtype, s.starts[s.sequences], (s.heads + 2 * s.kv_heads) * s.D);
}

void append(Team& team, const Cache& cache, const void* qkv, long heads, const float* cos, const float* sin, const int* slots, long rows) {
  const Paged& v = paged(cache.dtype);
  team.tasks(rows, [&](long row, int) { v.append({&cache, qkv, heads, cos, sin, row, slots[row]}); });
}

void decode(Team& team, const Decode& d) {
  check_heads(d.cache.D, d.heads, d.cache.kv_heads), check_factors(d.scale, d.softcap);
  const Paged& v = paged(d.cache.dtype);
  const long G = d.cache.kv_heads;
  team.tasks(d.rows * G, [&](long task, int) { v.decode(d, task / G, task % G); });
  zero_tail(d.out, d.cache.dtype, d.rows, d.heads * d.cache.D);
}

}  // namespace attune::attention
