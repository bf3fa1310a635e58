// A team of threads that run one function together. Workers spin for a short while before they sleep, because a training step calls the team
// thousands of times with microseconds between. Where CPUs are free that no other team has (placement.h), each worker is pinned to one of its
// own: a scheduler that sees two spinning threads wake each other may keep both on one CPU for seconds, which halves the speed. The caller is
// pinned only while it works.
#pragma once
#include "cpu/placement.h"
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace attune {

class Team {
 public:
  // threads <= 0: as many as the process may use CPUs (default_threads of placement.h). Throws `threads_refused` where the system gives fewer.
  explicit Team(int threads = 0);
  ~Team();
  Team(const Team&) = delete;
  int size() const { return size_; }

  // Calls job(index, size) on every thread and returns when all are done. An exception of any of them is thrown again here (the first by index).
  void run(const std::function<void(int, int)>& job);

  // Tasks 0 .. count-1 taken from a counter; a task must be a complete piece of work, so that results do not depend on who takes it.
  void tasks(long count, const std::function<void(long task, int thread)>& task);

  // Rows 0 .. M split into one contiguous share of whole 32-row blocks per thread: job(first, last, thread). `last` of the final share is M itself.
  void rows(long M, const std::function<void(long first, long last, int thread)>& job);

  // Inside run(): waits until every thread has arrived. A job that throws before its barrier would hang the team: check before.
  void barrier();

 private:
  void start(int index);
  void end();
  void work(int index);
  void wake();
  void guarded(int index);
  int size_;
  cpu::Claim claim_;
  bool pin_;
  int isa_ = 0;  // the caller's cpu::chosen() of the current run
  std::vector<std::thread> workers_;
  std::vector<std::exception_ptr> errors_;
  const std::function<void(int, int)>* job_ = nullptr;
  std::atomic<int> epoch_{0}, left_{0}, arrived_{0}, phase_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace attune
