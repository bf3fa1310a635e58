// Work in the order in which it was asked for, on a thread of its own: one piece at a time, away from the main loop and from libuv's few threads.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace attune::binding {

class Queue {
 public:
  using Job = std::function<void()>;
  // `at_end` runs on the thread as its last, however the queue ends. Jobs must not throw.
  explicit Queue(Job at_end);
  ~Queue();
  Queue(const Queue&) = delete;
  // False, and the job is not taken, where the queue has been ended.
  bool push(Job job);
  // What is queued still runs; nothing more is taken.
  void end();
  // What is queued is dropped, and the job in work is asked to end: it looks at stopped().
  void stop();
  // Waits for the thread's end; after end() or stop(), from any other thread.
  void join();
  const std::atomic<bool>& stopped() const { return stopped_; }

 private:
  void work();
  bool next(Job& job);
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  Job at_end_;
  bool ended_ = false;
  std::atomic<bool> stopped_{false};
  std::mutex joining_;
  std::thread thread_;
};

}  // namespace attune::binding
