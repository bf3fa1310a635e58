#include "binding/environment.h"
#include "base/error.h"

namespace attune::binding {
namespace {

void call_js(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Environment::Call> call(static_cast<Environment::Call*>(data));
  if (!env) return;  // the environment is ending
  try {
    (*call)(Napi::Env(env));
  } catch (...) {  // JavaScript cannot be reached any more: nobody is left to be told
  }
}

}  // namespace

void Environment::make(Napi::Env env) { env.SetInstanceData(new std::shared_ptr<Environment>(std::make_shared<Environment>(env))); }

Environment& Environment::of(Napi::Env env) { return **env.GetInstanceData<std::shared_ptr<Environment>>(); }

Environment::Environment(Napi::Env env) : env_(env) {
  const napi_value name = Napi::String::New(env, "attune");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, call_js, &calls_) != napi_ok)
    throw Error("native_failure", "no way back to the loop of this thread can be made");
  napi_unref_threadsafe_function(env, calls_);
  // Hooks run last come first: this one before the way back is closed, which it made above.
  napi_add_env_cleanup_hook(env, [](void* self) { static_cast<Environment*>(self)->close(); }, this);
}

void Environment::post(Call call) {
  auto taken = std::make_unique<Call>(std::move(call));
  if (!closed_ && napi_call_threadsafe_function(calls_, taken.get(), napi_tsfn_nonblocking) == napi_ok) taken.release();
}

void Environment::hold() {
  if (held_++ == 0) napi_ref_threadsafe_function(env_, calls_);
}

void Environment::let_go() {
  if (--held_ == 0) napi_unref_threadsafe_function(env_, calls_);
}

std::shared_ptr<Queue> Environment::start_queue(Queue::Job at_end) {
  if (closed_) throw Error("stopped", "this thread of JavaScript is ending");
  // The queue's own address comes to its last job when it is known.
  auto self = std::make_shared<std::weak_ptr<Queue>>();
  auto queue = std::make_shared<Queue>([this, self, at_end = std::move(at_end)] {
    at_end();
    post([this, self](Napi::Env) {
      const std::shared_ptr<Queue> ended = self->lock();
      if (!ended) return;
      ended->join();
      queues_.erase(ended);
    });
  });
  *self = queue;
  queues_.insert(queue);
  return queue;
}

// No thread calls post() after it.
void Environment::close() {
  for (const auto& q : queues_) q->stop();
  for (const auto& q : queues_) q->join();
  queues_.clear();
  for (Napi::FunctionReference* kind : {&model, &generation, &rollout}) kind->Reset();
  closed_ = true;
}

}  // namespace attune::binding
