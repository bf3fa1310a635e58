#include "binding/arguments.h"
#include <cmath>
#include <limits>
#include <new>

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
  std::string s = std::to_string(x);
  if (std::floor(x) == x && std::fabs(x) < 1e15) s = std::to_string((long long)x);
  return s;
}

}  // namespace

Arguments::Arguments(const Napi::Value& object, std::string what) : what_(std::move(what)) {
  if (!object.IsObject()) throw Error("kernel_arguments", "[" + what_ + "] expected an object of arguments, got " + kind_of(object));
  object_ = object.As<Napi::Object>();
}
void Arguments::fail(const std::string& message) const { throw Error("kernel_arguments", "[" + what_ + "] " + message); }
Napi::Value Arguments::raw(const char* name) const { return object_.Get(name); }
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

std::vector<float> Arguments::floats(const char* name, long count, bool optional) const {
  const Napi::Value v = raw(name);
  if (optional && (v.IsUndefined() || v.IsNull())) return {};
  const bool right = v.IsTypedArray() && v.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array;
  if (!right || (count >= 0 && long(v.As<Napi::TypedArray>().ElementLength()) != count))
    fail(std::string(name) + ": expected a Float32Array" + (count >= 0 ? " of " + std::to_string(count) : "") + ", got " + kind_of(v));
  const auto a = v.As<Napi::Float32Array>();
  return std::vector<float>(a.Data(), a.Data() + a.ElementLength());
}
std::vector<int> Arguments::ints(const char* name, long count, bool optional) const {
  const Napi::Value v = raw(name);
  if (optional && (v.IsUndefined() || v.IsNull())) return {};
  const bool right = v.IsTypedArray() && v.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array;
  if (!right || (count >= 0 && long(v.As<Napi::TypedArray>().ElementLength()) != count))
    fail(std::string(name) + ": expected an Int32Array" + (count >= 0 ? " of " + std::to_string(count) : "") + ", got " + kind_of(v));
  const auto a = v.As<Napi::Int32Array>();
  return std::vector<int>(a.Data(), a.Data() + a.ElementLength());
}
std::vector<int> Arguments::ints_within(const char* name, long count, int least, int most) const {
  std::vector<int> all = ints(name, count);
  for (size_t i = 0; i < all.size(); i++)
    if (all[i] < least || all[i] > most)
      fail(std::string(name) + "[" + std::to_string(i) + "]: expected " + std::to_string(least) + " to " + std::to_string(most) + ", got " +
           std::to_string(all[i]));
  return all;
}
std::vector<int> Arguments::starts(const char* name, long tokens) const {
  std::vector<int> s = ints(name, -1);
  bool good = s.size() >= 1 && s[0] == 0 && long(s.back()) == tokens;
  for (size_t i = 1; good && i < s.size(); i++) good = s[i] > s[i - 1];
  if (!good) fail(std::string(name) + ": expected rising offsets from 0 to the number of tokens, " + std::to_string(tokens));
  return s;
}

Napi::Float32Array to_js(Napi::Env env, const std::vector<float>& values) {
  auto a = Napi::Float32Array::New(env, values.size());
  if (!values.empty()) memcpy(a.Data(), values.data(), values.size() * 4);
  return a;
}
Napi::Int32Array to_js(Napi::Env env, const std::vector<int>& values) {
  auto a = Napi::Int32Array::New(env, values.size());
  if (!values.empty()) memcpy(a.Data(), values.data(), values.size() * 4);
  return a;
}
Napi::Error to_js_error(Napi::Env env) {
  std::string code = "native_failure", message = "unknown failure in native code";
  try {
    throw;
  } catch (const Napi::Error& e) {
    return e;
  } catch (const Error& e) {
    code = e.code, message = e.what();
  } catch (const std::bad_alloc&) {
    code = "out_of_memory", message = "out of memory";
  } catch (const std::exception& e) {
    message = e.what();
  }
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", code);
  return error;
}

}  // namespace attune::binding
