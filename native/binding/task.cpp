#include "binding/task.h"
#include <new>

namespace attune::binding {

Napi::Promise Task::run(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result) {
  Task* task = new Task(env, std::move(work), std::move(result));  // deletes itself after OnOK or OnError
  const Napi::Promise promise = task->deferred_.Promise();
  task->Queue();
  return promise;
}

Task::Task(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result)
    : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), work_(std::move(work)), result_(std::move(result)) {}

void Task::Execute() {
  try {
    work_();
  } catch (const Error& e) {
    code_ = e.code;
    SetError(e.what());
  } catch (const std::bad_alloc&) {
    code_ = "out_of_memory";
    SetError("out of memory");
  } catch (const std::exception& e) {
    SetError(e.what());
  }
}

void Task::OnOK() {
  const Napi::HandleScope scope(Env());
  deferred_.Resolve(result_ ? result_(Env()) : Env().Undefined());
}

void Task::OnError(const Napi::Error& error) {
  const Napi::HandleScope scope(Env());
  error.Value().Set("code", code_);
  deferred_.Reject(error.Value());
}

}  // namespace attune::binding
