#include "cpu/groups.h"
#include <fstream>
#include <limits>

namespace attune::cpu {
namespace {

void add_with_parents(std::vector<Group>& groups, const std::string& mount, std::string path, bool unified) {
  if (path == "/") path.clear();
  for (;;) {
    groups.push_back({mount + path, unified});
    if (path.empty()) return;
    const size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
}

}  // namespace

// Lines "0::/path" (version 2) and "4:cpu,cpuacct:/path" (version 1), whose mount has the name of the list or of one of it.
std::vector<Group> groups_of(const std::string& root, const std::string& controller) {
  std::vector<Group> groups;
  const std::string mounts = root + "/sys/fs/cgroup";
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) add_with_parents(groups, mounts, path, true);
    if (("," + controllers + ",").find("," + controller + ",") == std::string::npos) continue;
    add_with_parents(groups, mounts + "/" + controllers, path, false);
    if (controllers != controller) add_with_parents(groups, mounts + "/" + controller, path, false);
  }
  return groups;
}

double number_in(const std::string& path) {
  std::ifstream file(path);
  double x;
  return file >> x ? x : std::numeric_limits<double>::infinity();
}

}  // namespace attune::cpu
