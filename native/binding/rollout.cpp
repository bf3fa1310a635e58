#include "binding/rollout.h"
#include "binding/checked.h"
#include "binding/dispose.h"
#include "binding/model_options.h"
#include "binding/session.h"
#include "transformer/generation/rollout.h"

namespace attune::binding {
namespace {

class NativeRollout : public Napi::ObjectWrap<NativeRollout> {
 public:
  using Own = std::shared_ptr<Session<Rollout>>;
  static Napi::Function define(Napi::Env env) {
    using N = NativeRollout;
    return DefineClass(env, "NativeRollout",
                       {InstanceMethod("advance", &N::advance), InstanceMethod("answer", &N::answer), InstanceMethod("cancel", &N::cancel),
                        InstanceAccessor("length", &N::length, nullptr), InstanceMethod("dispose", &N::dispose),
                        InstanceMethod(dispose_symbol(env), &N::dispose)});
  }
  explicit NativeRollout(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeRollout>(info) {}
  void own(Own session) { session_ = std::move(session); }

 private:
  Session<Rollout>& get() const {
    if (!session_) throw Error("model_arguments", "the rollout was disposed of");
    return *session_;
  }
  static long number(const Napi::CallbackInfo& info, size_t at, const char* name, long most) {
    return argument(info, at, name, "rollout").integer(name, 0, most);
  }
  long answer_at(const Napi::CallbackInfo& info) const { return number(info, 0, "answer", get().constant().count() - 1); }
  Napi::Value advance(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      get().idle();
      const long tokens = number(info, 0, "tokens", 1L << 30);
      auto more = std::make_shared<bool>(false);
      return get().run([tokens, more](Rollout& r) { *more = r.advance(tokens); },
                       [more](Napi::Env env) -> Napi::Value { return Napi::Boolean::New(env, *more); });
    });
  }
  Napi::Value answer(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const long at = answer_at(info);
      const Answer& a = get().idle().answers()[at];
      static const char* const stops[] = {"running", "eos", "length", "cancelled"};
      Napi::Object o = Napi::Object::New(info.Env());
      o.Set("prompt", a.prompt), o.Set("ids", to_js(info.Env(), a.ids)), o.Set("logprob", to_js(info.Env(), a.logprob)),
          o.Set("stop", stops[int(a.stop)]);
      return o;
    });
  }
  Napi::Value cancel(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const long at = answer_at(info), keep = number(info, 1, "keep", 1L << 30);
      get().idle().cancel(at, keep);
      return info.Env().Undefined();
    });
  }
  Napi::Value length(const Napi::CallbackInfo& info) {
    return checked(info.Env(),
                   [&]() -> Napi::Value { return Napi::Number::New(info.Env(), session_ ? double(session_->constant().count()) : 0); });
  }
  Napi::Value dispose(const Napi::CallbackInfo& info) {
    session_.reset();
    return info.Env().Undefined();
  }
  Own session_;
};

std::vector<std::vector<int>> read_prompts(const Arguments& a, const Network& c) {
  const Napi::Value list = a.raw("prompts");
  if (!list.IsArray()) a.fail("prompts: expected an array of Int32Array");
  std::vector<std::vector<int>> prompts;
  for (uint32_t i = 0; i < list.As<Napi::Array>().Length(); i++) {
    Napi::Object o = Napi::Object::New(a.env());
    o.Set("prompt", Napi::Value(list.As<Napi::Array>()[i]));
    prompts.push_back(
        plain(Arguments(o, "rollout prompts[" + std::to_string(i) + "]").ints_within("prompt", -1, 0, int(c.vocabulary - 1))));
  }
  return prompts;
}

}  // namespace

Napi::Function rollout_class(Napi::Env env) { return NativeRollout::define(env); }

Napi::Object create_rollout(const Arguments& a, std::shared_ptr<ModelReference> reference) {
  HostedModel& model = *reference->model;
  RolloutOptions o;
  const sample::Options s = read_sampling(a);
  o.adapter = read_adapter(a);
  o.temperature = s.temperature, o.top_k = s.top_k, o.top_p = s.top_p, o.min_p = s.min_p;
  o.seed = uint64_t(a.integer("seed", 0, 1L << 53, 0)), o.max_new = a.integer("maxNewTokens", 1, 1L << 20, 64);
  o.most_active = a.integer("mostActive", 1, 1L << 16, 64);
  o.ends = plain(a.ints("ends", -1, true));
  const long samples = a.integer("samples", 1, 1L << 16, 1);
  auto rollout = std::make_unique<Rollout>(model.constant(), model.network.vocabulary, o, read_prompts(a, model.network), samples);
  auto session = std::make_shared<Session<Rollout>>(std::move(reference), std::move(rollout), "rollout");
  const Napi::Object made = Environment::of(a.env()).rollout.New({});
  NativeRollout::Unwrap(made)->own(std::move(session));
  return made;
}

}  // namespace attune::binding
