#include "binding/generation.h"
#include "binding/checked.h"
#include "binding/dispose.h"
#include "binding/model_options.h"
#include "binding/session.h"
#include "transformer/generation/generation.h"

namespace attune::binding {
namespace {

// `feed` is work on the model; what the other calls read is the generation's own.
class NativeGeneration : public Napi::ObjectWrap<NativeGeneration> {
 public:
  using Own = std::shared_ptr<Session<Generation>>;
  static Napi::Function define(Napi::Env env) {
    using N = NativeGeneration;
    return DefineClass(env, "NativeGeneration",
                       {InstanceMethod("feed", &N::feed), InstanceMethod("sample", &N::sample), InstanceMethod("logits", &N::logits),
                        InstanceAccessor("length", &N::length, nullptr), InstanceMethod("dispose", &N::dispose),
                        InstanceMethod(dispose_symbol(env), &N::dispose)});
  }
  explicit NativeGeneration(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeGeneration>(info) {}
  void own(Own session) { session_ = std::move(session); }

 private:
  Session<Generation>& get() const {
    if (!session_) throw Error("model_arguments", "the generation was disposed of");
    return *session_;
  }
  Napi::Value feed(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      const int most = int(get().model().network.vocabulary - 1);
      auto tokens = plain(argument(info, 0, "tokens", "feed").ints_within("tokens", -1, 0, most));
      return get().run([tokens = std::move(tokens)](Generation& g) { g.feed(tokens); });
    });
  }
  Napi::Value sample(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const sample::Options o = read_sampling(Arguments(info[0], "sample"));
      const sample::Choice c = get().idle().sample(o);
      Napi::Object out = Napi::Object::New(info.Env());
      out.Set("id", c.id), out.Set("logprob", c.logprob);
      return out;
    });
  }
  Napi::Value logits(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value { return to_js(info.Env(), get().idle().logits()); });
  }
  Napi::Value length(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value { return Napi::Number::New(info.Env(), double(get().idle().length())); });
  }
  Napi::Value dispose(const Napi::CallbackInfo& info) {
    session_.reset();
    return info.Env().Undefined();
  }
  Own session_;
};

}  // namespace

Napi::Function generation_class(Napi::Env env) { return NativeGeneration::define(env); }

Napi::Object create_generation(Napi::Env env, std::shared_ptr<ModelReference> reference, long capacity, std::string adapter) {
  auto generation = std::make_unique<Generation>(reference->model->constant(), capacity, std::move(adapter));
  auto session = std::make_shared<Session<Generation>>(std::move(reference), std::move(generation), "generation");
  const Napi::Object o = Environment::of(env).generation.New({});
  NativeGeneration::Unwrap(o)->own(std::move(session));
  return o;
}

}  // namespace attune::binding
