// A generation or a rollout: work on it goes to the queue of its model, and while some is under way the main loop may not look at it.
#pragma once
#include "base/error.h"
#include "binding/hosted_model.h"

namespace attune::binding {

template <class T> class Session : public std::enable_shared_from_this<Session<T>> {
 public:
  Session(std::shared_ptr<ModelReference> reference, std::unique_ptr<T> thing, std::string name)
      : reference_(std::move(reference)), thing_(std::move(thing)), name_(std::move(name)) {}
  // What it holds, caches of gigabytes, is given back behind the work that is queued, away from the main loop.
  ~Session() {
    HostedModel& m = *reference_->model;
    std::shared_ptr<T> gone = std::move(thing_);
    m.count_cache(-counted_);
    m.later([gone] {});
  }
  Session(const Session&) = delete;

  HostedModel& model() const { return *reference_->model; }
  // The thing itself, where no work is under way.
  T& idle() const {
    if (under_way_) throw Error("model_arguments", "the " + name_ + " is in work; await what was asked of it first");
    return *thing_;
  }
  // What no work changes.
  const T& constant() const { return *thing_; }

  Napi::Promise run(std::function<void(T&)> work, std::function<Napi::Value(Napi::Env)> result = nullptr) {
    const auto self = this->shared_from_this();
    const Napi::Promise promise =
        model().run([self, work = std::move(work)](Engine&) { self->counted(work); }, std::move(result), [self] { self->under_way_--; });
    under_way_++;
    return promise;
  }

 private:
  void counted(const std::function<void(T&)>& work) {
    struct Count {
      Session& s;
      ~Count() {
        const int64_t now = int64_t(s.thing_->bytes());
        s.model().count_cache(now - s.counted_), s.counted_ = now;
      }
    } count{*this};
    work(*thing_);
  }
  std::shared_ptr<ModelReference> reference_;
  std::unique_ptr<T> thing_;
  std::string name_;
  long under_way_ = 0;   // of the main loop
  int64_t counted_ = 0;  // bytes that the model was told of
};

}  // namespace attune::binding
