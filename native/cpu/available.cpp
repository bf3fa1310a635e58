#include "cpu/available.h"
#include "base/error.h"
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

// A file of one number; "max", or a file that is not there, is no limit.
double number_in(const std::string& path) {
  std::ifstream file(path);
  double x;
  return file >> x ? x : kUnknown;
}

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

// The least that `group` and its parents below `base` leave.
double left_in(const std::string& base, std::string group, const Names& n) {
  double least = kUnknown;
  for (;;) {
    const std::string at = base + group;
    const double limit = number_in(at + "/" + n.limit), usage = number_in(at + "/" + n.usage);
    if (std::isfinite(limit) && std::isfinite(usage)) {
      const double inactive = field_of(at + "/memory.stat", n.inactive);
      least = std::min(least, std::max(0.0, limit - usage + (std::isfinite(inactive) ? inactive : 0)));
    }
    if (group.empty()) return least;
    group.erase(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

// Lines "0::/path" (version 2) and "4:memory:/path" (version 1).
double left_in_groups(const std::string& root) {
  double least = kUnknown;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1), group = path == "/" ? "" : path;
    if (controllers.empty())
      least = std::min(least, left_in(root + "/sys/fs/cgroup", group, {"memory.max", "memory.current", "inactive_file"}));
    else if (("," + controllers + ",").find(",memory,") != std::string::npos)
      least = std::min(
          least, left_in(root + "/sys/fs/cgroup/memory", group, {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}));
  }
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
