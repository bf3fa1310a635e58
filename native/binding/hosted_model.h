// A model and the queue on which everything is done with it. The main loop never touches the model: it hands over work, and reads what the
// work left behind for it (Facts). Work runs in the order in which it was asked for, whoever asked: passes, adapters, generations, rollouts.
#pragma once
#include "binding/environment.h"
#include "transformer/engine.h"
#include <map>
#include <string>
#include <vector>

namespace attune::binding {

// What is known of a model without asking it, as the last piece of work that is done left it.
struct Facts {
  std::map<std::string, size_t> memory;                       // bytes by part
  std::map<std::string, std::vector<NamedShape>> parameters;  // of the base (""), and of each adapter
};

class HostedModel : public std::enable_shared_from_this<HostedModel> {
 public:
  using Work = std::function<void(Engine&)>;
  using Result = std::function<Napi::Value(Napi::Env)>;
  // A promise of `loaded`, made of the model on the main loop. What fails half-way leaves nothing.
  static Napi::Promise load(Environment& environment, const Network& network, const Options& options, std::shared_ptr<Tensors> tensors,
                            std::function<Napi::Value(Napi::Env, std::shared_ptr<HostedModel>)> loaded);
  HostedModel(Environment& environment, const Network& network, const Options& options);

  // Queues `work` and returns the promise of `result`, which is made on the main loop. `over` runs there just before, however the work ended.
  Napi::Promise run(Work work, Result result = nullptr, std::function<void()> over = nullptr);
  // Queues work that nobody waits for; false where the model has been disposed of.
  bool later(Queue::Job job) { return queue_->push(std::move(job)); }
  // Lets the model go behind the work that is queued; more is refused. Twice is as good as once.
  void dispose();
  void alive() const;  // throws where it was disposed of
  // What of the model never changes may be read on the main loop, as long as it is alive.
  Engine& constant() const { return alive(), *model_; }
  Facts facts() const;
  // Bytes of key/value caches beside the model.
  void count_cache(int64_t change) { cache_bytes_ += change; }

  const Network network;
  const Options options;

 private:
  Napi::Promise settle_later(Queue::Job work, Result result, std::function<void()> over);
  void publish();
  void tell_bytes(Napi::Env env);
  std::shared_ptr<Environment> environment_;
  std::unique_ptr<Engine> model_;  // of the queue's thread
  std::shared_ptr<Queue> queue_;
  bool disposed_ = false;  // of the main loop
  mutable std::mutex facts_mutex_;
  Facts facts_;
  long facts_revision_ = -1;
  std::atomic<int64_t> cache_bytes_{0}, model_bytes_{0};
  int64_t told_ = 0;  // bytes that V8 knows of, so that it collects what nobody holds any more
};

// What an object of JavaScript holds of a model: the last that lets go disposes of it.
class ModelReference {
 public:
  explicit ModelReference(std::shared_ptr<HostedModel> m) : model(std::move(m)) {}
  ~ModelReference() { model->dispose(); }
  ModelReference(const ModelReference&) = delete;
  const std::shared_ptr<HostedModel> model;
};

}  // namespace attune::binding
