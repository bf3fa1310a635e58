#include "binding/model.h"
#include "binding/batch.h"
#include "binding/checked.h"
#include "binding/dispose.h"
#include "binding/generation.h"
#include "binding/model_options.h"
#include "binding/rollout.h"
#include "kernels/logprob/candidates.h"
#include "transformer/engine.h"
#include <cmath>
#include <numeric>
#include <optional>

namespace attune::binding {
namespace {

constexpr double kMostScale = 1e30;  // of a factor; products with it stay in the range of a float

std::string adapter_argument(const Napi::CallbackInfo& info, size_t at) { return read_adapter(argument(info, at, "adapter", "adapter")); }

// An absent object of options is an empty one.
Arguments options_argument(const Napi::CallbackInfo& info, size_t at, const char* what) {
  return Arguments(info[at].IsUndefined() ? Napi::Object::New(info.Env()) : info[at], what);
}

std::optional<std::vector<float>> optional_floats(const Arguments& a, const char* name) {
  return a.has(name) ? std::make_optional(a.model_floats(name, -1)) : std::nullopt;
}

class NativeModel : public Napi::ObjectWrap<NativeModel> {
 public:
  static Napi::Function define(Napi::Env env) {
    using N = NativeModel;
    return DefineClass(
        env, "NativeModel",
        {InstanceMethod("setAdapter", &N::set_adapter), InstanceMethod("removeAdapter", &N::remove_adapter),
         InstanceMethod("setHead", &N::set_head), InstanceMethod("head", &N::head), InstanceMethod("forward", &N::forward),
         InstanceMethod("backward", &N::backward), InstanceMethod("gradientNorm", &N::gradient_norm), InstanceMethod("step", &N::step),
         InstanceMethod("zeroGradients", &N::zero_gradients), InstanceMethod("parameters", &N::parameters),
         InstanceMethod("read", &N::read), InstanceMethod("write", &N::write), InstanceMethod("logits", &N::logits),
         InstanceMethod("startGeneration", &N::start_generation), InstanceMethod("startRollout", &N::start_rollout),
         InstanceMethod("memory", &N::memory), InstanceMethod("dispose", &N::dispose), InstanceMethod(dispose_symbol(env), &N::dispose)});
  }
  static Napi::Object create(Napi::Env env, std::shared_ptr<HostedModel> model) {
    const Napi::Object o = Environment::of(env).model.New({});
    o.Set("sharesBeginnings", model->network.writes() && model->network.rotary.kind != rotary::Kind::dynamic);
    Unwrap(o)->reference_ = std::make_shared<ModelReference>(std::move(model));
    return o;
  }
  explicit NativeModel(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeModel>(info) {}

 private:
  HostedModel& model() const {
    if (!reference_) throw Error("model_arguments", "the model was disposed of");
    return *reference_->model;
  }
  Napi::Value queue(HostedModel::Work work, HostedModel::Result result = nullptr) const {
    return model().run(std::move(work), std::move(result));
  }

  Napi::Value set_adapter(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      const Arguments a(info[0], "setAdapter");
      auto adapter = std::make_shared<Adapter>();
      adapter->name = a.text("name", "default"), adapter->trained = a.flag("train", model().options.train == Train::adapter);
      adapter->scale = a.within("scale", -kMostScale, kMostScale), adapter->dropout = float(a.number("dropout", 0));
      if (!(adapter->dropout >= 0 && adapter->dropout < 1))
        a.fail("dropout: expected 0 <= dropout < 1, got " + std::to_string(adapter->dropout));
      const Napi::Value list = a.raw("targets");
      if (!list.IsArray()) a.fail("targets: expected an array");
      for (uint32_t i = 0; i < list.As<Napi::Array>().Length(); i++) {
        const Arguments t(list.As<Napi::Array>()[i], "setAdapter targets");
        adapter->targets.push_back({t.text("name"), t.integer("rank", 1, 4096), t.finite_floats("a", -1), t.finite_floats("b", -1)});
      }
      return queue([adapter](Engine& m) { m.set_adapter(*adapter); });
    });
  }

  Napi::Value remove_adapter(const Napi::CallbackInfo& info) {
    return promised(info.Env(),
                    [&]() -> Napi::Value { return queue([set = adapter_argument(info, 0)](Engine& m) { m.remove_adapter(set); }); });
  }

  Napi::Value set_head(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      auto w = std::make_shared<std::vector<float>>(argument(info, 0, "weight", "setHead").finite_floats("weight", model().network.hidden));
      return queue([w, set = adapter_argument(info, 1)](Engine& m) { m.set_head(set, *w); });
    });
  }

  Napi::Value head(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      auto w = std::make_shared<std::vector<float>>();
      return queue([w, set = adapter_argument(info, 0)](Engine& m) { *w = m.head(set); },
                   [w](Napi::Env env) -> Napi::Value { return to_js(env, *w); });
    });
  }

  Napi::Value forward(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      auto batch = std::make_shared<Batch>(read_batch(Arguments(info[0], "forward"), model().network));
      const Arguments a = options_argument(info, 1, "forward options");
      ForwardOptions o;
      o.keep = a.flag("keep", false), o.adapter = read_adapter(a), o.causal = a.flag("causal", true), o.entropy = a.flag("entropy", false),
      o.mean = a.flag("mean", false), o.temperature = float(a.number("temperature", 1));
      if (a.has("topK")) o.top = a.integer("topK", 0, std::min(logprob::kTopMost, model().network.vocabulary));
      if (!(o.temperature > 0 && std::isfinite(o.temperature)))
        a.fail("temperature: expected above 0, got " + std::to_string(o.temperature));
      o.dropout = a.has("dropoutKey");
      if (o.dropout) o.dropout_key = uint64_t(a.integer("dropoutKey", 0, 1L << 53));
      auto out = std::make_shared<Outputs>();
      return queue([batch, o, out](Engine& m) { m.forward(*batch, o, *out); },
                   [batch, out, o](Napi::Env env) -> Napi::Value {
                     Napi::Object r = Napi::Object::New(env);
                     r.Set("logprob", to_js(env, out->logprob)), r.Set("lse", to_js(env, out->lse));
                     if (o.entropy) r.Set("entropy", to_js(env, out->entropy));
                     if (o.mean) r.Set("mean", to_js(env, out->mean));
                     if (!batch->candidates.empty()) r.Set("candidates", to_js(env, out->candidates));
                     if (o.top) r.Set("topIds", to_js(env, out->top_ids)), r.Set("topLogprob", to_js(env, out->top));
                     if (!out->score.empty()) r.Set("score", to_js(env, out->score));
                     return r;
                   });
    });
  }

  Napi::Value backward(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      const Arguments a(info[0], "backward");
      auto g = std::make_shared<Gradients>();
      g->logprob = a.model_floats("logprob", -1);
      g->lse = optional_floats(a, "lse"), g->entropy = optional_floats(a, "entropy"), g->mean = optional_floats(a, "mean");
      g->score = optional_floats(a, "score"), g->candidates = optional_floats(a, "candidates");
      return queue([g](Engine& m) { m.backward(*g); });
    });
  }

  Napi::Value gradient_norm(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      auto norm = std::make_shared<double>(0);
      return queue([norm, set = adapter_argument(info, 0)](Engine& m) { *norm = m.gradient_norm(set); },
                   [norm](Napi::Env env) { return Napi::Number::New(env, *norm); });
    });
  }

  Napi::Value step(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      const Arguments a(info[0], "step");
      const auto finite = [&](const char* name, float otherwise) { return a.within(name, -kMostScale, kMostScale, otherwise); };
      const adamw::Step s{a.within("learningRate", -kMostScale, kMostScale),
                          finite("beta1", 0.9f),
                          finite("beta2", 0.999f),
                          finite("eps", 1e-8f),
                          finite("weightDecay", 0),
                          finite("scale", 1),
                          a.integer("step", 1, 1L << 40)};
      return queue([s, set = adapter_argument(info, 1)](Engine& m) { m.step(set, s); });
    });
  }

  Napi::Value zero_gradients(const Napi::CallbackInfo& info) {
    return promised(info.Env(),
                    [&]() -> Napi::Value { return queue([set = adapter_argument(info, 0)](Engine& m) { m.zero_gradients(set); }); });
  }

  // As the calls that are done by now left them.
  Napi::Value parameters(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const std::string name = adapter_argument(info, 0);
      model().alive();
      const Facts facts = model().facts();
      auto found = facts.parameters.find(name);
      if (found == facts.parameters.end() && name == "default") found = facts.parameters.find("");
      if (found == facts.parameters.end()) throw Error("model_arguments", "no adapter is named " + name);
      Napi::Array list = Napi::Array::New(info.Env());
      for (const NamedShape& p : found->second) {
        Napi::Object o = Napi::Object::New(info.Env());
        Napi::Array shape = Napi::Array::New(info.Env());
        for (const long size : p.shape) shape.Set(shape.Length(), double(size));
        o.Set("name", p.name), o.Set("shape", shape), list.Set(list.Length(), o);
      }
      return list;
    });
  }

  // value, gradient, first or second moment.
  static ParameterPart part_of(const Napi::CallbackInfo& info, const char* what) {
    return ParameterPart(argument(info, 1, "part", what).choice("part", {"value", "gradient", "first", "second"}, 0));
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      const std::string name = argument(info, 0, "name", "read").text("name");
      const ParameterPart part = part_of(info, "read");
      auto out = std::make_shared<std::vector<float>>();
      return queue([name, part, out, set = adapter_argument(info, 2)](Engine& m) { *out = m.read(set, name, part); },
                   [out](Napi::Env env) -> Napi::Value { return to_js(env, *out); });
    });
  }

  // Whether name and length fit is for the queue to say: what was asked before may change it.
  Napi::Value write(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      const std::string name = argument(info, 0, "name", "write").text("name");
      const ParameterPart part = part_of(info, "write");
      const Arguments a = argument(info, 2, "values", "write " + name);
      if (part == ParameterPart::gradient) a.fail("part: gradients are computed, never written");
      auto values = std::make_shared<std::vector<float>>(a.model_floats("values", -1));
      return queue([name, part, values, set = adapter_argument(info, 3)](Engine& m) { m.write(set, name, part, *values); });
    });
  }

  Napi::Value logits(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&]() -> Napi::Value {
      Napi::Object tokens = Napi::Object::New(info.Env());
      tokens.Set("tokens", info[0]), tokens.Set("sequenceStarts", info[1]);
      auto batch = std::make_shared<Batch>(read_batch(Arguments(tokens, "logits"), model().network));
      ForwardOptions o;
      o.adapter = read_adapter(options_argument(info, 2, "logits options"));
      auto out = std::make_shared<std::vector<float>>();
      return queue(
          [batch, o, out](Engine& m) {
            Outputs none;
            m.forward(*batch, o, none);
            std::vector<int> all(batch->N());
            std::iota(all.begin(), all.end(), 0);
            m.logits(all, *out);
          },
          [out](Napi::Env env) -> Napi::Value { return to_js(env, *out); });
    });
  }

  Napi::Value start_generation(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const long capacity = argument(info, 0, "capacity", "startGeneration").integer("capacity", 1, 1L << 24);
      model().alive();
      return create_generation(info.Env(), reference_, capacity, adapter_argument(info, 1));
    });
  }

  Napi::Value start_rollout(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      model().alive();
      return create_rollout(Arguments(info[0], "startRollout"), reference_);
    });
  }

  // As the calls that are done by now left it.
  Napi::Value memory(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      model().alive();
      Napi::Object o = Napi::Object::New(info.Env());
      for (const auto& [name, bytes] : model().facts().memory) o.Set(name, double(bytes));
      return o;
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    if (reference_) reference_->model->dispose();
    reference_.reset();
    return info.Env().Undefined();
  }
  std::shared_ptr<ModelReference> reference_;
};

}  // namespace

Napi::Function model_class(Napi::Env env) { return NativeModel::define(env); }

Napi::Value load_model(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Arguments a(info[0], "loadModel");
    const Network network = read_network(a.raw("config"));
    return HostedModel::load(Environment::of(info.Env()), network, read_options(a), std::make_shared<Tensors>(read_tensors(a)),
                             NativeModel::create);
  });
}

}  // namespace attune::binding
