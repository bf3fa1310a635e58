#include "cpu/available.h"
#include "base/error.h"
#include "cpu/groups.h"
#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#if defined(__linux__)
#include <sys/resource.h>
#endif

namespace attune::cpu {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::infinity();

// The number behind `key` in a file of lines "key value" or "key: value unit".
double field_of(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    double value;
    if (words >> name >> value && (name == key || name == key + ":")) return value;
  }
  return kUnknown;
}

struct Names {
  const char *limit, *usage, *inactive;
};

constexpr Names kUnified{"memory.max", "memory.current", "inactive_file"};
constexpr Names kFirstVersion{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};

// What the limit of one group leaves; files that the system may drop are not counted as used.
double left_in(const Group& group) {
  const auto& [limit_file, usage_file, inactive_key] = group.unified ? kUnified : kFirstVersion;
  const std::string at = group.folder + "/";
  const double limit = number_in(at + limit_file), usage = number_in(at + usage_file);
  if (!std::isfinite(limit) || !std::isfinite(usage)) return kUnknown;
  const double inactive = field_of(at + "memory.stat", inactive_key);
  return std::max(0.0, limit - usage + (std::isfinite(inactive) ? inactive : 0));
}

double left_in_groups(const std::string& root) {
  double least = kUnknown;
  for (const Group& group : groups_of(root, "memory")) least = std::min(least, left_in(group));
  return least;
}

double left_of_address_space(const std::string& root) {
#if defined(__linux__)
  struct rlimit limit;
  const double used = field_of(root + "/proc/self/status", "VmSize") * 1024;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && std::isfinite(used))
    return std::max(0.0, double(limit.rlim_cur) - used);
#endif
  return kUnknown;
}

std::string mib(double bytes) { return std::to_string((long long)(std::ceil(bytes / 1048576))) + " MiB"; }

}  // namespace

double available_memory(const std::string& root) {
  const double machine = field_of(root + "/proc/meminfo", "MemAvailable") * 1024;
  return std::min({machine, left_in_groups(root), left_of_address_space(root)});
}

void require_memory(double bytes, const std::string& what, const std::string& advice) {
  const double there = available_memory();
  if (bytes > there) throw Error("out_of_memory", what + " needs " + mib(bytes) + " of memory, " + mib(there) + " are left; " + advice);
}

}  // namespace attune::cpu
