// What one environment of Node holds, the main thread's or a worker's: the way back to its loop, the classes of its objects, the queues in work.
// When it ends, a worker that is terminated for example, work is stopped and waited for; nothing of it reaches a loop that is gone.
#pragma once
#include "binding/queue.h"
#include <memory>
#include <napi.h>
#include <set>

namespace attune::binding {

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  using Call = std::function<void(Napi::Env)>;
  // Made when the addon is loaded into an environment, found by all later calls.
  static void make(Napi::Env env);
  static Environment& of(Napi::Env env);

  explicit Environment(Napi::Env env);
  Napi::Env env() const { return env_; }
  // From any thread: runs `call` on the loop's thread; drops it where the environment has ended.
  void post(Call call);
  // On the loop's thread: the loop lives on between the two, so that a promise that somebody awaits is kept.
  void hold();
  void let_go();
  // A queue whose thread is gone before the environment is. `at_end` runs on it as its last.
  std::shared_ptr<Queue> start_queue(Queue::Job at_end);

  Napi::FunctionReference model, generation, rollout;  // one class per kind of object

 private:
  void close();
  Napi::Env env_;
  napi_threadsafe_function calls_ = nullptr;
  long held_ = 0;
  bool closed_ = false;
  std::set<std::shared_ptr<Queue>> queues_;
};

}  // namespace attune::binding
