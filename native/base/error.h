// The one exception type of the native side. `code` is stable and becomes AttuneError.code in JavaScript.
#pragma once
#include <stdexcept>
#include <string>

namespace attune {

struct Error : std::runtime_error {
  std::string code;
  Error(std::string c, const std::string& message) : std::runtime_error(message), code(std::move(c)) {}
};

}  // namespace attune
