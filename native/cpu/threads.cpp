#include "cpu/threads.h"
#include "base/error.h"
#include "cpu/features.h"
#include <algorithm>
#include <string>
#include <system_error>
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace attune {
namespace {

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

#if defined(__linux__)
void pin_to(pthread_t thread, int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  pthread_setaffinity_np(thread, sizeof one, &one);
}
#endif

// Spins before a worker sleeps: about 50 microseconds, longer than the gaps inside a step and far shorter than those between steps.
constexpr int kSpins = 4000;

}  // namespace

Team::Team(int threads) : size_(threads > 0 ? threads : cpu::allowed_cpus()), claim_(size_), pin_(!claim_.cpus().empty()) {
  errors_.resize(size_), workers_.reserve(size_);
  // A thread that is not joined ends the process when its object goes: those that did start are ended here.
  try {
    for (int i = 1; i < size_; i++) start(i);
  } catch (const std::system_error& refused) {
    end();
    throw Error("threads_refused", "the system refused thread " + std::to_string(workers_.size() + 2) + " of " + std::to_string(size_) +
                                       " (" + refused.what() + "): give fewer threads, or raise the limit on processes or memory");
  } catch (...) {
    end();
    throw;
  }
}

Team::~Team() { end(); }

void Team::start(int index) {
  workers_.emplace_back([this, index] { work(index); });
#if defined(__linux__)
  if (pin_) pin_to(workers_.back().native_handle(), claim_.cpus()[size_t(index)]);
#endif
}

void Team::end() {
  stop_ = true;
  wake();
  for (auto& w : workers_) w.join();
}

void Team::guarded(int index) {
  try {
    const cpu::Choose choose{cpu::Isa(isa_)};
    (*job_)(index, size_);
  } catch (...) {
    errors_[index] = std::current_exception();
  }
}

void Team::run(const std::function<void(int, int)>& job) {
  job_ = &job;
  isa_ = int(cpu::chosen());
  if (size_ == 1) {
    job(0, 1);
    return;
  }
  left_.store(size_ - 1, std::memory_order_relaxed);
#if defined(__linux__)
  cpu_set_t before;
  if (pin_) pthread_getaffinity_np(pthread_self(), sizeof before, &before), pin_to(pthread_self(), claim_.cpus()[0]);
#endif
  wake();
  guarded(0);
  while (left_.load(std::memory_order_acquire)) {
    if (pin_)
      pause();
    else
      std::this_thread::yield();
  }
#if defined(__linux__)
  if (pin_) pthread_setaffinity_np(pthread_self(), sizeof before, &before);
#endif
  for (auto& e : errors_)
    if (e) {
      std::exception_ptr first;
      for (auto& x : errors_) {
        if (x && !first) first = x;
        x = nullptr;
      }
      std::rethrow_exception(first);
    }
}

void Team::tasks(long count, const std::function<void(long, int)>& task) {
  std::atomic<long> next{0};
  run([&](int id, int) {
    for (long i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) task(i, id);
  });
}

void Team::rows(long M, const std::function<void(long, long, int)>& job) {
  const long blocks = (M + 31) / 32;
  run([&](int id, int n) {
    const long first = blocks * id / n * 32, last = std::min(M, blocks * (id + 1) / n * 32);
    if (first < last) job(first, last, id);
  });
}

void Team::barrier() {
  if (size_ == 1) return;
  const int phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
  } else {
    while (phase_.load(std::memory_order_acquire) == phase) {
      if (pin_)
        pause();
      else
        std::this_thread::yield();
    }
  }
}

void Team::wake() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
}

void Team::work(int index) {
  for (int seen = 0;;) {
    for (int spins = 0; epoch_.load(std::memory_order_acquire) == seen && spins < kSpins; spins++) pause();
    if (epoch_.load(std::memory_order_acquire) == seen) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return epoch_.load(std::memory_order_acquire) != seen; });
    }
    seen++;
    if (stop_) return;
    guarded(index);
    left_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

}  // namespace attune
