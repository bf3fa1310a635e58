#include "binding/rollout.h"
#include "binding/checked.h"
#include "binding/model_options.h"
#include "binding/task.h"
#include "transformer/rollout.h"

namespace attune::binding {
namespace {

class NativeRollout : public Napi::ObjectWrap<NativeRollout> {
 public:
  static Napi::Object create(Napi::Env env, std::shared_ptr<Rollout> rollout) {
    using N = NativeRollout;
    Napi::Function f =
        DefineClass(env, "NativeRollout",
                    {InstanceMethod("advance", &N::advance), InstanceMethod("answer", &N::answer), InstanceMethod("cancel", &N::cancel),
                     InstanceAccessor("length", &N::length, nullptr), InstanceMethod("dispose", &N::dispose)});
    const Napi::Object o = f.New({});
    Unwrap(o)->rollout_ = std::move(rollout);
    return o;
  }
  explicit NativeRollout(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeRollout>(info) {}

 private:
  std::shared_ptr<Rollout> get() const {
    if (!rollout_) throw Error("model_arguments", "the rollout was disposed of");
    if (*running_) throw Error("model_arguments", "the rollout is advancing; await it first");
    return rollout_;
  }
  static long number(const Napi::CallbackInfo& info, size_t at, const char* name, long most) {
    Napi::Object o = Napi::Object::New(info.Env());
    o.Set(name, info[at]);
    return Arguments(o, "rollout").integer(name, 0, most);
  }
  Napi::Value advance(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const auto r = get();
      const long tokens = number(info, 0, "tokens", 1L << 30);
      auto more = std::make_shared<bool>(false);
      *running_ = true;
      return Task::run(
          info.Env(),
          [r, tokens, more, running = running_] {
            // Cleared however it ends; the main loop reads it only after the promise is settled or to refuse a call.
            struct Clear {
              std::shared_ptr<std::atomic<bool>> flag;
              ~Clear() { *flag = false; }
            } clear{running};
            std::lock_guard<std::mutex> lock(r->model().busy);
            *more = r->advance(tokens);
          },
          [more](Napi::Env env) -> Napi::Value { return Napi::Boolean::New(env, *more); });
    });
  }
  Napi::Value answer(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const auto r = get();
      const Answer& a = r->answers()[number(info, 0, "answer", long(r->answers().size()) - 1)];
      static const char* const stops[] = {"running", "eos", "length", "cancelled"};
      Napi::Object o = Napi::Object::New(info.Env());
      o.Set("prompt", a.prompt), o.Set("ids", to_js(info.Env(), a.ids)), o.Set("logprob", to_js(info.Env(), a.logprob)),
          o.Set("stop", stops[int(a.stop)]);
      return o;
    });
  }
  Napi::Value cancel(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const auto r = get();
      r->cancel(number(info, 0, "answer", long(r->answers().size()) - 1), number(info, 1, "keep", 1L << 30));
      return info.Env().Undefined();
    });
  }
  Napi::Value length(const Napi::CallbackInfo& info) {
    return checked(info.Env(),
                   [&]() -> Napi::Value { return Napi::Number::New(info.Env(), rollout_ ? double(rollout_->answers().size()) : 0); });
  }
  Napi::Value dispose(const Napi::CallbackInfo& info) {
    rollout_.reset();
    return info.Env().Undefined();
  }
  std::shared_ptr<Rollout> rollout_;
  std::shared_ptr<std::atomic<bool>> running_ = std::make_shared<std::atomic<bool>>(false);
};

std::vector<std::vector<int>> read_prompts(const Arguments& a, const Config& c) {
  const Napi::Value list = a.raw("prompts");
  if (!list.IsArray()) a.fail("prompts: expected an array of Int32Array");
  std::vector<std::vector<int>> prompts;
  for (uint32_t i = 0; i < list.As<Napi::Array>().Length(); i++) {
    Napi::Object o = Napi::Object::New(a.env());
    o.Set("prompt", Napi::Value(list.As<Napi::Array>()[i]));
    prompts.push_back(Arguments(o, "rollout prompts[" + std::to_string(i) + "]").ints_within("prompt", -1, 0, int(c.vocabulary - 1)));
  }
  return prompts;
}

}  // namespace

Napi::Object create_rollout(const Arguments& a, std::shared_ptr<Model> model) {
  RolloutOptions o;
  o.adapter = read_adapter(a);
  o.temperature = float(a.number("temperature", 1)), o.top_k = a.integer("topK", 0, 1L << 30, 0), o.top_p = float(a.number("topP", 1));
  o.min_p = float(a.number("minP", 0)), o.seed = uint64_t(a.integer("seed", 0, 1L << 53, 0)),
  o.max_new = a.integer("maxNewTokens", 1, 1L << 20, 64);
  o.most_active = a.integer("mostActive", 1, 1L << 16, 64);
  if (a.has("ends")) o.ends = a.ints("ends", -1);
  const long samples = a.integer("samples", 1, 1L << 16, 1);
  auto prompts = read_prompts(a, model->config);
  return NativeRollout::create(a.env(), std::make_shared<Rollout>(std::move(model), o, std::move(prompts), samples));
}

}  // namespace attune::binding
