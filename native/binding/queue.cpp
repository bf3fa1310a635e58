#include "binding/queue.h"
#include <cstdlib>
#include <set>

namespace attune::binding {
namespace {

// All queues of the process. `process.exit` runs no hooks of the environment: what is still in work then would go on while the process takes
// itself apart. Never destroyed, so that it outlives whatever runs at exit.
struct Register {
  std::mutex mutex;
  std::set<Queue*> queues;
  static Register& all() {
    static Register& r = *new Register;
    static const bool once = [] { return std::atexit([] { Register::all().stop(); }) == 0; }();
    (void)once;
    return r;
  }
  void stop() {
    std::set<Queue*> left;
    {
      std::lock_guard<std::mutex> lock(mutex);
      left = queues;
    }
    for (Queue* q : left) q->stop();
    for (Queue* q : left) q->join();
  }
};

}  // namespace

Queue::Queue(Job at_end) : at_end_(std::move(at_end)), thread_([this] { work(); }) {
  Register& r = Register::all();
  std::lock_guard<std::mutex> lock(r.mutex);
  r.queues.insert(this);
}

Queue::~Queue() {
  {
    Register& r = Register::all();
    std::lock_guard<std::mutex> lock(r.mutex);
    r.queues.erase(this);
  }
  stop(), join();
}

bool Queue::push(Job job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (ended_) return false;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Queue::end() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  wake_.notify_one();
}

void Queue::stop() {
  std::deque<Job> dropped;  // destroyed without the lock: what a job holds may call back
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true, stopped_ = true;
    dropped.swap(jobs_);
  }
  wake_.notify_one();
}

void Queue::join() {
  std::lock_guard<std::mutex> lock(joining_);
  if (thread_.joinable()) thread_.join();
}

// The next job, when there is one; false at the queue's end.
bool Queue::next(Job& job) {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [&] { return ended_ || !jobs_.empty(); });
  if (jobs_.empty()) return false;
  job = std::move(jobs_.front());
  jobs_.pop_front();
  return true;
}

void Queue::work() {
  for (Job job; next(job); job = nullptr) try {
      job();
    } catch (...) {  // no memory even to tell of it; what waits for the job waits on
    }
  const Job last = std::move(at_end_);
  last();
}

}  // namespace attune::binding
