#include "binding/generation.h"
#include "binding/checked.h"
#include "binding/task.h"
#include "transformer/generation.h"

namespace attune::binding {
namespace {

// A generation; its own calls are synchronous but `feed`.
class NativeGeneration : public Napi::ObjectWrap<NativeGeneration> {
 public:
  static Napi::Object create(Napi::Env env, std::shared_ptr<Generation> g) {
    Napi::Function f =
        DefineClass(env, "NativeGeneration",
                    {InstanceMethod("feed", &NativeGeneration::feed), InstanceMethod("sample", &NativeGeneration::sample),
                     InstanceMethod("logits", &NativeGeneration::logits), InstanceAccessor("length", &NativeGeneration::length, nullptr),
                     InstanceMethod("dispose", &NativeGeneration::dispose)});
    const Napi::Object o = f.New({});
    Unwrap(o)->generation_ = std::move(g);
    return o;
  }
  explicit NativeGeneration(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeGeneration>(info) {}

 private:
  std::shared_ptr<Generation> get() const {
    if (!generation_) throw Error("model_arguments", "the generation was disposed of");
    return generation_;
  }
  Napi::Value feed(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const auto g = get();
      Napi::Object o = Napi::Object::New(info.Env());
      o.Set("tokens", info[0]);
      auto tokens =
          std::make_shared<std::vector<int>>(Arguments(o, "feed").ints_within("tokens", -1, 0, int(g->model().config.vocabulary - 1)));
      return Task::run(
          info.Env(),
          [g, tokens] {
            std::lock_guard<std::mutex> lock(g->model().busy);
            g->feed(*tokens);
          },
          nullptr);
    });
  }
  Napi::Value sample(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const Arguments a(info[0], "sample");
      sample::Options o;
      o.temperature = float(a.number("temperature", 1)), o.top_k = a.integer("topK", 0, 1L << 30, 0), o.top_p = float(a.number("topP", 1)),
      o.min_p = float(a.number("minP", 0));
      o.repetition_penalty = float(a.number("repetitionPenalty", 1)), o.unit = a.number("unit", 0);
      const sample::Choice c = get()->sample(o);
      Napi::Object out = Napi::Object::New(info.Env());
      out.Set("id", c.id), out.Set("logprob", c.logprob);
      return out;
    });
  }
  Napi::Value logits(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value { return to_js(info.Env(), get()->logits()); });
  }
  Napi::Value length(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value { return Napi::Number::New(info.Env(), double(get()->length())); });
  }
  Napi::Value dispose(const Napi::CallbackInfo& info) {
    generation_.reset();
    return info.Env().Undefined();
  }
  std::shared_ptr<Generation> generation_;
};

}  // namespace

Napi::Object create_generation(Napi::Env env, std::shared_ptr<Model> model, long capacity, std::string adapter) {
  return NativeGeneration::create(env, std::make_shared<Generation>(std::move(model), capacity, std::move(adapter)));
}

}  // namespace attune::binding
