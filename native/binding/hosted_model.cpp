#include "binding/hosted_model.h"
#include "base/error.h"
#include "binding/failure.h"
#include <chrono>
#include <optional>

namespace attune::binding {
namespace {

// Models on their way out, of all environments. A model is loaded when they are gone, so that two never need room where one was meant.
class Leaving {
 public:
  Leaving() { change(1); }
  ~Leaving() { change(-1); }
  Leaving(const Leaving&) = delete;
  static void wait(const std::atomic<bool>& stopped) {
    std::unique_lock<std::mutex> lock(all().mutex);
    while (all().count && !stopped) all().changed.wait_for(lock, std::chrono::milliseconds(20));
  }

 private:
  struct All {
    std::mutex mutex;
    std::condition_variable changed;
    long count = 0;
  };
  static All& all() {
    static All& a = *new All;  // never destroyed: models may leave while the process ends
    return a;
  }
  static void change(long n) {
    {
      std::lock_guard<std::mutex> lock(all().mutex);
      all().count += n;
    }
    all().changed.notify_all();
  }
};

std::optional<Failure> attempt(const Queue::Job& work) {
  try {
    work();
    return std::nullopt;
  } catch (...) {
    return failure();
  }
}

size_t sum(const std::map<std::string, size_t>& parts) {
  size_t all = 0;
  for (const auto& [name, bytes] : parts) all += bytes;
  return all;
}

}  // namespace

HostedModel::HostedModel(Environment& environment, const Network& n, const Options& o)
    : network(n), options(o), environment_(environment.shared_from_this()) {}

Napi::Promise HostedModel::load(Environment& environment, const Network& network, const Options& options, std::shared_ptr<Tensors> tensors,
                                std::function<Napi::Value(Napi::Env, std::shared_ptr<HostedModel>)> loaded) {
  auto m = std::make_shared<HostedModel>(environment, network, options);
  m->queue_ = environment.start_queue([m] { m->model_.reset(); });
  return m->settle_later(
      [m = m.get(), tensors] {
        try {
          Leaving::wait(m->queue_->stopped());
          m->model_ = attune::load(m->network, m->options, *tensors, m->queue_->stopped());
        } catch (...) {
          m->queue_->end();
          throw;
        }
      },
      [m, loaded = std::move(loaded)](Napi::Env env) { return loaded(env, m); }, nullptr);
}

void HostedModel::alive() const {
  if (disposed_) throw Error("model_arguments", "the model was disposed of");
}

Napi::Promise HostedModel::run(Work work, Result result, std::function<void()> over) {
  alive();
  return settle_later([m = this, work = std::move(work)] { work(*m->model_); }, std::move(result), std::move(over));
}

// The job keeps this object alive until its promise is settled.
Napi::Promise HostedModel::settle_later(Queue::Job work, Result result, std::function<void()> over) {
  const auto deferred = Napi::Promise::Deferred::New(environment_->env());
  const auto self = shared_from_this();
  auto settle = [self, deferred, result = std::move(result), over = std::move(over)](Napi::Env env, const std::optional<Failure>& failed) {
    self->environment_->let_go(), self->tell_bytes(env);
    if (over) over();
    if (failed) return deferred.Reject(to_js_error(env, *failed).Value());
    Napi::Value value;
    try {
      value = result ? result(env) : env.Undefined();
    } catch (...) {
      return deferred.Reject(to_js_error(env).Value());
    }
    deferred.Resolve(value);
  };
  const bool taken = queue_->push([self, work = std::move(work), settle = std::move(settle)]() mutable {
    auto failed = attempt(work);
    work = nullptr;
    if (!failed) failed = attempt([&] { self->publish(); });
    self->environment_->post([failed, settle = std::move(settle)](Napi::Env env) { settle(env, failed); });
  });
  if (!taken) throw Error("model_arguments", "the model was disposed of");
  environment_->hold();
  return deferred.Promise();
}

// Its memory, gigabytes at times, is given back by the queue's thread.
void HostedModel::dispose() {
  if (disposed_) return;
  disposed_ = true;
  queue_->push([self = shared_from_this(), leaving = std::make_shared<Leaving>()] {
    self->model_.reset(), self->model_bytes_ = 0;
    self->environment_->post([self](Napi::Env env) { self->tell_bytes(env); });
  });
  queue_->end();
}

Facts HostedModel::facts() const {
  std::lock_guard<std::mutex> lock(facts_mutex_);
  return facts_;
}

// What the main loop may know, after each piece of work.
void HostedModel::publish() {
  if (!model_) return;
  auto memory = model_->memory();
  model_bytes_ = int64_t(sum(memory));
  std::lock_guard<std::mutex> lock(facts_mutex_);
  facts_.memory = std::move(memory);
  if (facts_revision_ == model_->revision()) return;
  facts_revision_ = model_->revision(), facts_.parameters = model_->parameters();
}

void HostedModel::tell_bytes(Napi::Env env) {
  const int64_t now = model_bytes_ + cache_bytes_;
  Napi::MemoryManagement::AdjustExternalMemory(env, now - told_);
  told_ = now;
}

}  // namespace attune::binding
