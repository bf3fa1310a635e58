#include "binding/arguments.h"
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

namespace attune::binding {
namespace {

std::string kind_of(const Napi::Value& v) {
  if (v.IsTypedArray()) {
    static const char* const names[] = {"Int8Array",   "Uint8Array",   "Uint8ClampedArray", "Int16Array",    "Uint16Array",   "Int32Array",
                                        "Uint32Array", "Float32Array", "Float64Array",      "BigInt64Array", "BigUint64Array"};
    const auto a = v.As<Napi::TypedArray>();
    return std::string(names[int(a.TypedArrayType())]) + " of " + std::to_string(a.ElementLength());
  }
  if (v.IsUndefined()) return "undefined";
  if (v.IsNull()) return "null";
  if (v.IsNumber()) return v.ToString().Utf8Value();
  if (v.IsString()) return "'" + v.As<Napi::String>().Utf8Value().substr(0, 40) + "'";
  if (v.IsBoolean()) return v.As<Napi::Boolean>().Value() ? "true" : "false";
  if (v.IsArray()) return "an array";
  return "an object";
}
std::string shown(double x) {
  char text[32];
  snprintf(text, sizeof text, "%g", x);
  std::string s = text;
  if (std::floor(x) == x && std::fabs(x) < 1e15) s = std::to_string((long long)x);
  return s;
}

}  // namespace

Arguments::Arguments(const Napi::Value& object, std::string what) : what_(std::move(what)) {
  if (!object.IsObject()) throw Error("kernel_arguments", "[" + what_ + "] expected an object of arguments, got " + kind_of(object));
  object_ = object.As<Napi::Object>();
}
void Arguments::fail(const std::string& message) const { throw Error("kernel_arguments", "[" + what_ + "] " + message); }
Napi::Value Arguments::raw(const char* name) const {
  for (const auto& [known, value] : read_)
    if (known == name) return value;
  const Napi::Value value = object_.Get(name);
  read_.emplace_back(name, value);
  return value;
}
bool Arguments::has(const char* name) const {
  const Napi::Value v = raw(name);
  return !v.IsUndefined() && !v.IsNull();
}
double Arguments::number(const char* name) const {
  const Napi::Value v = raw(name);
  if (!v.IsNumber() || std::isnan(v.As<Napi::Number>().DoubleValue())) fail(std::string(name) + ": expected a number, got " + kind_of(v));
  return v.As<Napi::Number>().DoubleValue();
}
double Arguments::number(const char* name, double otherwise) const { return has(name) ? number(name) : otherwise; }
float Arguments::within(const char* name, double least, double most) const {
  const double x = number(name);
  if (!(x >= least && x <= most) || !std::isfinite(float(x)))
    fail(std::string(name) + ": expected a number from " + shown(least) + " to " + shown(most) + ", got " + shown(x));
  return float(x);
}
float Arguments::within(const char* name, double least, double most, float otherwise) const {
  return has(name) ? within(name, least, most) : otherwise;
}
long Arguments::integer(const char* name, long least, long most) const {
  const double x = number(name);
  if (std::floor(x) != x || x < double(least) || x > double(most))
    fail(std::string(name) + ": expected a whole number from " + std::to_string(least) + " to " + std::to_string(most) + ", got " +
         shown(x));
  return long(x);
}
long Arguments::integer(const char* name, long least, long most, long otherwise) const {
  return has(name) ? integer(name, least, most) : otherwise;
}
bool Arguments::flag(const char* name, bool otherwise) const {
  if (!has(name)) return otherwise;
  const Napi::Value v = raw(name);
  if (!v.IsBoolean()) fail(std::string(name) + ": expected true or false, got " + kind_of(v));
  return v.As<Napi::Boolean>().Value();
}
std::string Arguments::text(const char* name) const {
  const Napi::Value v = raw(name);
  if (!v.IsString()) fail(std::string(name) + ": expected a string, got " + kind_of(v));
  return v.As<Napi::String>().Utf8Value();
}
std::string Arguments::text(const char* name, const std::string& otherwise) const { return has(name) ? text(name) : otherwise; }
int Arguments::choice(const char* name, const std::vector<std::string>& names, int otherwise) const {
  if (!has(name)) return otherwise;
  const std::string got = text(name);
  std::string all;
  for (size_t i = 0; i < names.size(); i++) {
    if (names[i] == got) return int(i);
    all += (i ? ", " : "") + names[i];
  }
  fail(std::string(name) + ": expected one of " + all + ", got '" + got + "'");
}
DType Arguments::dtype() const { return DType(choice("dtype", {"f32", "bf16"}, 0)); }

// Checks and copies; no JavaScript runs between the two.
template <class Array, class Vector>
Vector Arguments::array(const char* name, const char* kind, int type, long count, bool optional) const {
  const Napi::Value v = raw(name);
  if (optional && (v.IsUndefined() || v.IsNull())) return {};
  const bool right = v.IsTypedArray() && v.As<Napi::TypedArray>().TypedArrayType() == type;
  if (!right || (count >= 0 && long(v.As<Napi::TypedArray>().ElementLength()) != count))
    fail(std::string(name) + ": expected " + kind + (count >= 0 ? " of " + std::to_string(count) : "") + ", got " + kind_of(v));
  const auto a = v.As<Array>();
  return Vector(a.Data(), a.Data() + a.ElementLength());
}
Floats Arguments::floats(const char* name, long count, bool optional) const {
  return array<Napi::Float32Array, Floats>(name, "a Float32Array", napi_float32_array, count, optional);
}
std::vector<float> Arguments::model_floats(const char* name, long count) const {
  return array<Napi::Float32Array, std::vector<float>>(name, "a Float32Array", napi_float32_array, count, false);
}
std::vector<float> Arguments::finite_floats(const char* name, long count) const {
  std::vector<float> all = model_floats(name, count);
  for (size_t i = 0; i < all.size(); i++)
    if (!std::isfinite(all[i])) fail(std::string(name) + "[" + std::to_string(i) + "]: expected a finite number, got " + shown(all[i]));
  return all;
}
Ints Arguments::ints(const char* name, long count, bool optional) const {
  return array<Napi::Int32Array, Ints>(name, "an Int32Array", napi_int32_array, count, optional);
}
Halves Arguments::halves(const char* name, long count) const {
  return array<Napi::Uint16Array, Halves>(name, "a Uint16Array", napi_uint16_array, count, false);
}
Ints Arguments::ints_within(const char* name, long count, int least, int most) const {
  Ints all = ints(name, count);
  for (size_t i = 0; i < all.size(); i++)
    if (all[i] < least || all[i] > most)
      fail(std::string(name) + "[" + std::to_string(i) + "]: expected " + std::to_string(least) + " to " + std::to_string(most) + ", got " +
           std::to_string(all[i]));
  return all;
}
Ints Arguments::starts(const char* name, long tokens) const {
  Ints s = ints(name, -1);
  bool good = s.size() >= 1 && s[0] == 0 && long(s.back()) == tokens;
  for (size_t i = 1; good && i < s.size(); i++) good = s[i] > s[i - 1];
  if (!good) fail(std::string(name) + ": expected rising offsets from 0 to the number of tokens, " + std::to_string(tokens));
  return s;
}

long elements(std::initializer_list<long> shape) {
  long count = 1;
  bool fits = true;
  for (const long n : shape) fits = !__builtin_mul_overflow(count, n, &count) && fits;
  if (fits && count <= std::numeric_limits<long>::max() / 8) return count;
  std::string sizes;
  for (const long n : shape) sizes += (sizes.empty() ? "" : " x ") + std::to_string(n);
  throw Error("kernel_arguments", "an array of " + sizes + " numbers is larger than any memory");
}

namespace {

// V8 ends the process where Node-API's own call for a buffer fails; the constructor of JavaScript throws a RangeError instead.
constexpr size_t kLarge = size_t(16) << 20;  // numbers; below, an array always was to be had

template <class Array> Array array_of(Napi::Env env, const char* kind, size_t count) {
  if (count < kLarge) return Array::New(env, count);
  try {
    const Napi::Value made = env.Global().Get(kind).As<Napi::Function>().New({Napi::Number::New(env, double(count))});
    if (made.IsTypedArray() && made.As<Napi::TypedArray>().ElementLength() == count) return made.As<Array>();
  } catch (const Napi::Error&) {  // the RangeError: told as ours below
  }
  throw Error("out_of_memory", "no memory for a " + std::string(kind) + " of " + std::to_string(count) + " numbers");
}

}  // namespace

Napi::Float32Array zeros(Napi::Env env, size_t count) { return array_of<Napi::Float32Array>(env, "Float32Array", count); }
Arguments argument(const Napi::CallbackInfo& info, size_t at, const char* name, std::string what) {
  Napi::Object o = Napi::Object::New(info.Env());
  o.Set(name, info[at]);
  return Arguments(o, std::move(what));
}

Napi::Float32Array to_js(Napi::Env env, const float* values, size_t count) {
  auto a = zeros(env, count);
  if (count) memcpy(a.Data(), values, count * 4);
  return a;
}
Napi::Int32Array to_js(Napi::Env env, const int* values, size_t count) {
  auto a = array_of<Napi::Int32Array>(env, "Int32Array", count);
  if (count) memcpy(a.Data(), values, count * 4);
  return a;
}

}  // namespace attune::binding
