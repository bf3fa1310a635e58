#include "binding/model_options.h"
#include "base/error.h"
#include <algorithm>
#include <iterator>

namespace attune::binding {
namespace {

// Bounds that no real model reaches, so that sizes cannot overflow whatever comes.
constexpr long kWidest = 1 << 20, kMostTokens = 1 << 26;

rotary::Config read_rotary(const Napi::Value& value, long head_size) {
  const Arguments a(value, "model config.rotary");
  rotary::Config r;
  r.kind = rotary::Kind(a.choice("kind", {"standard", "linear", "dynamic", "llama3", "yarn"}, 0));
  r.base = a.number("base", 10000), r.head_size = head_size, r.factor = a.number("factor", 1);
  r.low_freq_factor = a.number("lowFreqFactor", 1), r.high_freq_factor = a.number("highFreqFactor", 4);
  r.original_context = a.integer("originalContext", 0, kMostTokens, 0), r.context = a.integer("context", 0, kMostTokens, 0);
  r.beta_fast = a.number("betaFast", 32), r.beta_slow = a.number("betaSlow", 1), r.attention_factor = a.number("attentionFactor", 0);
  return r;
}

// Tokens that a query of each layer sees; 0: all.
std::vector<long> read_windows(const Arguments& a, long layers) {
  const Napi::Value list = a.raw("windows");
  const long count = list.IsArray() ? long(list.As<Napi::Array>().Length()) : -1;
  if (count != layers) a.fail("windows: expected an array of " + std::to_string(layers) + " numbers");
  std::vector<long> windows;
  for (uint32_t i = 0; i < layers; i++) {
    Napi::Object o = Napi::Object::New(a.env());
    o.Set("window", Napi::Value(list.As<Napi::Array>()[i]));
    windows.push_back(Arguments(o, "model config.windows[" + std::to_string(i) + "]").integer("window", 0, kMostTokens));
  }
  return windows;
}

const char* const kPlaces[] = {"words",  "positions", "types", "norm1", "query", "key",      "value",     "queryNorm", "keyNorm",
                               "output", "norm2",     "gate",  "up",    "down",  "lastNorm", "headDense", "headNorm",  "vocabulary"};

std::vector<Place> read_places(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) throw Error("model_arguments", "config.tensors: " + name + ": places: expected an array");
  std::vector<Place> places;
  const Napi::Array list = value.As<Napi::Array>();
  for (uint32_t i = 0, n = list.Length(); i < n; i++) {
    const Napi::Value one = list[i];
    const std::string text = one.IsString() ? one.As<Napi::String>().Utf8Value() : "";
    const auto found = std::find(std::begin(kPlaces), std::end(kPlaces), text);
    if (found == std::end(kPlaces)) throw Error("model_arguments", "config.tensors: " + name + ": there is no place '" + text + "'");
    places.push_back(Place(found - std::begin(kPlaces)));
  }
  return places;
}

NetworkTensor read_network_tensor(const Napi::Value& value, long layers) {
  const Arguments a(value, "model config.tensors");
  NetworkTensor t;
  t.name = a.text("name"), t.places = read_places(a.raw("places"), t.name);
  t.layer = a.integer("layer", 0, layers - 1, 0), t.bias = a.flag("bias", false), t.transposed = a.flag("transposed", false);
  return t;
}

StoredTensor read_tensor(const Napi::Value& value) {
  const Arguments a(value, "model tensors");
  StoredTensor t;
  t.name = a.text("name"), t.path = a.text("path"), t.offset = a.integer("offset", 0, 1L << 52);
  t.stored = Stored(a.choice("stored", {"f32", "bf16", "f16"}, 0));
  const Napi::Value shape = a.raw("shape");
  if (!shape.IsArray()) a.fail("shape: expected an array");
  const Napi::Array list = shape.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    const double d = Napi::Value(list[i]).ToNumber().DoubleValue();
    if (!(d >= 0 && d <= double(1 << 28))) a.fail("shape: expected sizes from 0 to 2^28");
    t.shape.push_back(long(d));
  }
  if (t.shape.empty() || t.shape.size() > 2) a.fail(t.name + ": expected one or two dimensions");
  return t;
}

}  // namespace

Network read_network(const Napi::Value& value) {
  const Arguments a(value, "model config");
  Network c;
  c.vocabulary = a.integer("vocabulary", 1, kMostTokens), c.hidden = a.integer("hidden", 1, kWidest),
  c.inner = a.integer("inner", 1, kWidest);
  c.layers = a.integer("layers", 1, 4096), c.heads = a.integer("heads", 1, 4096), c.kv_heads = a.integer("kvHeads", 1, 4096);
  c.head_size = a.integer("headSize", 2, 256), c.eps = float(a.number("eps")), c.context = a.integer("context", 1, kMostTokens);
  if (c.heads % c.kv_heads)
    a.fail("heads: expected a multiple of kvHeads " + std::to_string(c.kv_heads) + ", got " + std::to_string(c.heads));
  if (c.head_size % 2) a.fail("headSize: expected an even number, got " + std::to_string(c.head_size));
  c.types = a.integer("types", 0, kWidest, 0);
  c.norm = NormKind(a.choice("norm", {"rms", "layer"}, 0)), c.norm_place = NormPlace(a.choice("normPlace", {"before", "after"}, 0));
  c.activation = swiglu::Activation(a.choice("activation", {"silu", "gelu", "gelu_tanh"}, 0));
  c.gated = a.flag("gated", true), c.causal = a.flag("causal", true);
  c.positions = PositionKind(a.choice("positions", {"rotary", "table"}, 0));
  c.windows = read_windows(a, c.layers);
  if (c.positions == PositionKind::rotary) c.rotary = read_rotary(a.raw("rotary"), c.head_size);
  const Napi::Value tensors = a.raw("tensors");
  if (!tensors.IsArray()) a.fail("tensors: expected an array");
  const Napi::Array list = tensors.As<Napi::Array>();
  for (uint32_t i = 0, n = list.Length(); i < n; i++) c.tensors.push_back(read_network_tensor(list[i], c.layers));
  check_tensors(c);
  return c;
}

Options read_options(const Arguments& a) {
  Options o;
  o.device = Device(a.choice("device", {"cpu", "plain"}, 0)), o.dtype = a.dtype(), o.threads = int(a.integer("threads", 0, 1024, 0));
  o.train = Train(a.choice("train", {"none", "adapter", "all"}, 0)), o.recompute = a.flag("recomputeActivations", false);
  return o;
}

RolloutShape read_rollout_shape(const Napi::Value& value) {
  const Arguments a(value, "planMemory rollout");
  RolloutShape s;
  s.prompts = a.integer("prompts", 1, kMostTokens), s.samples = a.integer("samples", 1, 1L << 16);
  s.longest = a.integer("longestPrompt", 1, kMostTokens), s.max_new = a.integer("maxNewTokens", 1, 1L << 20);
  return s;
}

std::vector<StoredTensor> read_tensors(const Arguments& a) {
  const Napi::Value list = a.raw("tensors");
  if (!list.IsArray()) a.fail("tensors: expected an array");
  std::vector<StoredTensor> all;
  for (uint32_t i = 0; i < list.As<Napi::Array>().Length(); i++) all.push_back(read_tensor(list.As<Napi::Array>()[i]));
  return all;
}

sample::Options read_sampling(const Arguments& a) {
  sample::Options o;
  o.temperature = a.within("temperature", 0, 1e6, 1), o.top_k = a.integer("topK", 0, 1L << 31, 0);
  o.top_p = a.within("topP", 0, 1, 1), o.min_p = a.within("minP", 0, 1, 0);
  o.repetition_penalty = a.within("repetitionPenalty", 1e-6, 1e6, 1);
  o.unit = a.number("unit", 0);
  if (!(o.unit >= 0 && o.unit <= 1)) a.fail("unit: expected a number from 0 to 1, got " + std::to_string(o.unit));
  return o;
}

std::string read_adapter(const Arguments& a) {
  const Napi::Value v = a.raw("adapter");
  if (v.IsUndefined() || v.IsNull()) return "default";
  if (v.IsBoolean()) return v.As<Napi::Boolean>().Value() ? "default" : "";
  return a.text("adapter");
}

}  // namespace attune::binding
