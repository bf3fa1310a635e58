// Reads the arguments of a kernel or model call from JavaScript. Whatever comes, a wrong type or length becomes a thrown error that names the
// kernel, the argument, what was expected and what came; native code below this line may trust its inputs.
#pragma once
#include "base/error.h"
#include "base/types.h"
#include "cpu/guard.h"
#include <initializer_list>
#include <napi.h>
#include <string>
#include <utility>
#include <vector>

namespace attune::binding {

// Each property is read from JavaScript once, whatever asks for it and how often: a getter or a proxy may answer differently the second time.
// Numbers of an array are copied in the moment they are checked, as the next getter may shrink or detach their buffer: never keep a pointer
// into an array across another read.
//
// Only the thread that JavaScript called may use it: never inside a job of the team.
class Arguments {
 public:
  // `what` prefixes messages: "[rms_norm] x: expected …".
  Arguments(const Napi::Value& object, std::string what);

  bool has(const char* name) const;
  long integer(const char* name, long least, long most) const;
  long integer(const char* name, long least, long most, long otherwise) const;
  double number(const char* name) const;
  double number(const char* name, double otherwise) const;
  // A finite number from `least` to `most`, as a float.
  float within(const char* name, double least, double most) const;
  float within(const char* name, double least, double most, float otherwise) const;
  bool flag(const char* name, bool otherwise) const;
  std::string text(const char* name) const;
  std::string text(const char* name, const std::string& otherwise) const;
  // One of `names`; its index.
  int choice(const char* name, const std::vector<std::string>& names, int otherwise) const;
  // 'f32' or 'bf16'; f32 where absent.
  DType dtype() const;
  // Float32Array of exactly `count` numbers (count < 0: any); empty where absent and `optional`.
  Floats floats(const char* name, long count, bool optional = false) const;
  // The same for a model, which is given its own copy; of these numbers, and of finite ones.
  std::vector<float> model_floats(const char* name, long count) const;
  std::vector<float> finite_floats(const char* name, long count) const;
  Ints ints(const char* name, long count, bool optional = false) const;
  // Uint16Array of exactly `count` numbers: the bits of a bf16 or f16.
  Halves halves(const char* name, long count) const;
  // Ids or offsets within least .. most.
  Ints ints_within(const char* name, long count, int least, int most) const;
  // sequenceStarts: 0 = s0 < s1 < … < sS = tokens.
  Ints starts(const char* name, long tokens) const;
  // The property as it was when it was first read.
  Napi::Value raw(const char* name) const;
  Napi::Env env() const { return object_.Env(); }
  [[noreturn]] void fail(const std::string& message) const;

 private:
  template <class Array, class Vector> Vector array(const char* name, const char* kind, int type, long count, bool optional) const;
  Napi::Object object_;
  std::string what_;
  mutable std::vector<std::pair<std::string, Napi::Value>> read_;
};

// Numbers in an array of this shape. Throws where that count, eight bytes each, is more than an address can say.
long elements(std::initializer_list<long> shape);
// A copy as a model keeps it.
inline std::vector<int> plain(const Ints& values) { return {values.begin(), values.end()}; }
// The value at `at` of a call's arguments as the argument `name`.
Arguments argument(const Napi::CallbackInfo& info, size_t at, const char* name, std::string what);

// Results: a plain object of new typed arrays.
Napi::Float32Array to_js(Napi::Env env, const float* values, size_t count);
Napi::Int32Array to_js(Napi::Env env, const int* values, size_t count);
template <class Vector> auto to_js(Napi::Env env, const Vector& values) { return to_js(env, values.data(), values.size()); }
// `count` zeros. Throws `out_of_memory` where JavaScript refuses an array of that size.
Napi::Float32Array zeros(Napi::Env env, size_t count);

}  // namespace attune::binding
