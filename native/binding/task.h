// Work on a libuv thread, seen as a promise. The work touches no JavaScript; the result is made on the main loop.
#pragma once
#include "base/error.h"
#include <functional>
#include <napi.h>

namespace attune::binding {

class Task : public Napi::AsyncWorker {
 public:
  // Queues `work` and returns the promise of `result`.
  static Napi::Promise run(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result);

 private:
  Task(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result);
  void Execute() override;
  void OnOK() override;
  void OnError(const Napi::Error&) override;
  Napi::Promise::Deferred deferred_;
  std::function<void()> work_;
  std::function<Napi::Value(Napi::Env)> result_;
  std::string code_ = "native_failure";
};

}  // namespace attune::binding
