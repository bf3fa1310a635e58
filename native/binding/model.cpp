#include "binding/model.h"
#include "binding/batch.h"
#include "binding/checked.h"
#include "binding/generation.h"
#include "binding/model_options.h"
#include "binding/rollout.h"
#include "binding/task.h"
#include "transformer/model.h"

namespace attune::binding {
namespace {

using Shared = std::shared_ptr<Model>;

Shared alive(const Shared& model) {
  if (!model) throw Error("model_arguments", "the model was disposed of");
  return model;
}

// The same of an argument by itself.
std::string adapter_argument(const Napi::CallbackInfo& info, size_t at) {
  Napi::Object o = Napi::Object::New(info.Env());
  o.Set("adapter", info[at]);
  return read_adapter(Arguments(o, "adapter"));
}

class NativeModel : public Napi::ObjectWrap<NativeModel> {
 public:
  static Napi::Object create(Napi::Env env, Shared model) {
    using N = NativeModel;
    Napi::Function f = DefineClass(
        env, "NativeModel",
        {InstanceMethod("setAdapter", &N::set_adapter), InstanceMethod("removeAdapter", &N::remove_adapter),
         InstanceMethod("setHead", &N::set_head), InstanceMethod("head", &N::head), InstanceMethod("forward", &N::forward),
         InstanceMethod("backward", &N::backward), InstanceMethod("gradientNorm", &N::gradient_norm), InstanceMethod("step", &N::step),
         InstanceMethod("zeroGradients", &N::zero_gradients), InstanceMethod("parameters", &N::parameters),
         InstanceMethod("read", &N::read), InstanceMethod("write", &N::write), InstanceMethod("logits", &N::logits),
         InstanceMethod("startGeneration", &N::start_generation), InstanceMethod("startRollout", &N::start_rollout),
         InstanceMethod("memory", &N::memory), InstanceMethod("dispose", &N::dispose)});
    const Napi::Object o = f.New({});
    o.Set("sharesBeginnings", !model->config.encoder && model->config.rotary.kind != rotary::Kind::dynamic);
    Unwrap(o)->model_ = std::move(model);
    return o;
  }
  explicit NativeModel(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeModel>(info) {}

 private:
  // Work on the model, one piece at a time, away from the main loop.
  template <class Work> Napi::Value queue(Napi::Env env, Work&& work, std::function<Napi::Value(Napi::Env)> result = nullptr) {
    const Shared m = alive(model_);
    return Task::run(
        env,
        [m, work = std::forward<Work>(work)]() mutable {
          std::lock_guard<std::mutex> lock(m->busy);
          work(*m);
        },
        std::move(result));
  }

  Napi::Value set_adapter(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const Arguments a(info[0], "setAdapter");
      auto adapter = std::make_shared<Adapter>();
      adapter->name = a.text("name", "default"), adapter->trained = a.flag("train", alive(model_)->options.train == Train::adapter);
      adapter->scale = float(a.number("scale")), adapter->dropout = float(a.number("dropout", 0));
      if (!(adapter->dropout >= 0 && adapter->dropout < 1))
        a.fail("dropout: expected 0 <= dropout < 1, got " + std::to_string(adapter->dropout));
      const Napi::Value list = a.raw("targets");
      if (!list.IsArray()) a.fail("targets: expected an array");
      for (uint32_t i = 0; i < list.As<Napi::Array>().Length(); i++) {
        const Arguments t(list.As<Napi::Array>()[i], "setAdapter targets");
        adapter->targets.push_back({t.text("name"), t.integer("rank", 1, 4096), t.floats("a", -1), t.floats("b", -1)});
      }
      return queue(info.Env(), [adapter](Model& m) { m.set_adapter(*adapter); });
    });
  }

  Napi::Value remove_adapter(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      return queue(info.Env(), [set = adapter_argument(info, 0)](Model& m) { m.remove_adapter(set); });
    });
  }

  Napi::Value set_head(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      Napi::Object o = Napi::Object::New(info.Env());
      o.Set("weight", info[0]);
      auto w = std::make_shared<std::vector<float>>(Arguments(o, "setHead").floats("weight", alive(model_)->config.hidden));
      return queue(info.Env(), [w, set = adapter_argument(info, 1)](Model& m) { m.set_head(set, *w); });
    });
  }

  Napi::Value head(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      auto w = std::make_shared<std::vector<float>>();
      return queue(
          info.Env(), [w, set = adapter_argument(info, 0)](Model& m) { *w = m.head(set); },
          [w](Napi::Env env) -> Napi::Value { return to_js(env, *w); });
    });
  }

  Napi::Value forward(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      auto batch = std::make_shared<Batch>(read_batch(Arguments(info[0], "forward"), alive(model_)->config));
      const Arguments a(info[1].IsUndefined() ? Napi::Object::New(info.Env()) : info[1], "forward options");
      ForwardOptions o;
      o.keep = a.flag("keep", false), o.adapter = read_adapter(a), o.causal = a.flag("causal", true), o.entropy = a.flag("entropy", false),
      o.mean = a.flag("mean", false), o.temperature = float(a.number("temperature", 1));
      if (a.has("topK")) o.top = a.integer("topK", 0, std::min(logprob::kTopMost, alive(model_)->config.vocabulary));
      if (!(o.temperature > 0)) a.fail("temperature: expected above 0, got " + std::to_string(o.temperature));
      o.dropout = a.has("dropoutKey");
      if (o.dropout) o.dropout_key = uint64_t(a.integer("dropoutKey", 0, 1L << 53));
      auto out = std::make_shared<Outputs>();
      return queue(
          info.Env(), [batch, o, out](Model& m) { m.forward(*batch, o, *out); },
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
    return checked(info.Env(), [&]() -> Napi::Value {
      const Arguments a(info[0], "backward");
      auto g = std::make_shared<Outputs>();
      g->logprob = a.floats("logprob", -1);
      const long R = long(g->logprob.size());
      g->score = a.floats("score", -1, true), g->candidates = a.floats("candidates", -1, true);
      g->lse = a.floats("lse", R, true), g->entropy = a.floats("entropy", R, true), g->mean = a.floats("mean", R, true);
      return queue(info.Env(), [g](Model& m) { m.backward(*g); });
    });
  }

  Napi::Value gradient_norm(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      auto norm = std::make_shared<double>(0);
      return queue(
          info.Env(), [norm, set = adapter_argument(info, 0)](Model& m) { *norm = m.parameters(set).gradient_norm(m.team); },
          [norm](Napi::Env env) { return Napi::Number::New(env, *norm); });
    });
  }

  Napi::Value step(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const Arguments a(info[0], "step");
      const adamw::Step s{float(a.number("learningRate")), float(a.number("beta1", 0.9)),     float(a.number("beta2", 0.999)),
                          float(a.number("eps", 1e-8)),    float(a.number("weightDecay", 0)), float(a.number("scale", 1)),
                          a.integer("step", 1, 1L << 40)};
      return queue(info.Env(),
                   [s, set = adapter_argument(info, 1)](Model& m) { m.parameters(set).step(m.team, s), m.zero_gradients(set); });
    });
  }

  Napi::Value zero_gradients(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      return queue(info.Env(), [set = adapter_argument(info, 0)](Model& m) { m.zero_gradients(set); });
    });
  }

  Napi::Value parameters(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const Shared m = alive(model_);
      Napi::Array list = Napi::Array::New(info.Env());
      for (const Parameter& p : m->parameters(adapter_argument(info, 0)).all()) {
        Napi::Object o = Napi::Object::New(info.Env());
        Napi::Array shape = Napi::Array::New(info.Env());
        if (!p.vector) shape.Set(0u, double(p.rows));
        shape.Set(shape.Length(), double(p.columns));
        o.Set("name", p.name), o.Set("shape", shape), list.Set(list.Length(), o);
      }
      return list;
    });
  }

  // value, gradient, first or second moment.
  static int part_of(const Napi::CallbackInfo& info, const char* what) {
    Napi::Object o = Napi::Object::New(info.Env());
    o.Set("part", info[1]);
    return Arguments(o, what).choice("part", {"value", "gradient", "first", "second"}, 0);
  }
  static std::string name_of(const Napi::CallbackInfo& info, const char* what) {
    Napi::Object o = Napi::Object::New(info.Env());
    o.Set("name", info[0]);
    return Arguments(o, what).text("name");
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const std::string name = name_of(info, "read");
      const int part = part_of(info, "read");
      auto out = std::make_shared<std::vector<float>>();
      return queue(
          info.Env(),
          [name, part, out, set = adapter_argument(info, 2)](Model& m) {
            Parameter& p = m.parameters(set).find(name);
            *out = part == 0 ? p.value : part == 1 ? m.gradient_of(p) : part == 2 ? p.first : p.second;
          },
          [out](Napi::Env env) -> Napi::Value { return to_js(env, *out); });
    });
  }

  Napi::Value write(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      const std::string name = name_of(info, "write");
      const int part = part_of(info, "write");
      const std::string set = adapter_argument(info, 3);
      Parameter& p = alive(model_)->parameters(set).find(name);
      Napi::Object o = Napi::Object::New(info.Env());
      o.Set("values", info[2]);
      const Arguments a(o, "write " + name);
      if (part == 1) a.fail("part: gradients are computed, never written");
      auto values = std::make_shared<std::vector<float>>(a.floats("values", p.size()));
      return queue(info.Env(), [name, part, values, set](Model& m) {
        Parameter& q = m.parameters(set).find(name);
        (part == 0 ? q.value : part == 2 ? q.first : q.second) = *values;
        if (part == 0) m.parameters(set).repack(m.team);
      });
    });
  }

  Napi::Value logits(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      Napi::Object o = Napi::Object::New(info.Env());
      o.Set("tokens", info[0]), o.Set("sequenceStarts", info[1]);
      auto batch = std::make_shared<Batch>(read_batch(Arguments(o, "logits"), alive(model_)->config));
      const std::string adapter =
          read_adapter(Arguments(info[2].IsUndefined() ? Napi::Object::New(info.Env()) : info[2], "logits options"));
      auto out = std::make_shared<std::vector<float>>();
      return queue(
          info.Env(), [batch, adapter, out](Model& m) { *out = m.logits(*batch, adapter); },
          [out](Napi::Env env) -> Napi::Value { return to_js(env, *out); });
    });
  }

  Napi::Value start_generation(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      Napi::Object o = Napi::Object::New(info.Env());
      o.Set("capacity", info[0]);
      const long capacity = Arguments(o, "startGeneration").integer("capacity", 1, 1L << 24);
      return create_generation(info.Env(), alive(model_), capacity, adapter_argument(info, 1));
    });
  }

  Napi::Value start_rollout(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value { return create_rollout(Arguments(info[0], "startRollout"), alive(model_)); });
  }

  Napi::Value memory(const Napi::CallbackInfo& info) {
    return checked(info.Env(), [&]() -> Napi::Value {
      Napi::Object o = Napi::Object::New(info.Env());
      for (const auto& [name, bytes] : alive(model_)->memory()) o.Set(name, double(bytes));
      return o;
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    model_.reset();
    return info.Env().Undefined();
  }
  Shared model_;
};

}  // namespace

Napi::Value load_model(const Napi::CallbackInfo& info) {
  return checked(info.Env(), [&]() -> Napi::Value {
    const Arguments a(info[0], "loadModel");
    const Config config = read_config(a.raw("config"));
    const Options options = read_options(a);
    auto tensors = std::make_shared<std::vector<StoredTensor>>(read_tensors(a));
    auto model = std::make_shared<Shared>();
    return Task::run(
        info.Env(), [=] { *model = std::make_shared<Model>(config, options, *tensors); },
        [model](Napi::Env env) -> Napi::Value { return NativeModel::create(env, std::move(*model)); });
  });
}

}  // namespace attune::binding
