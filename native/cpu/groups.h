// Control groups of this process, by which a container or a service is kept to a share of the machine.
#pragma once
#include <string>
#include <vector>

namespace attune::cpu {

struct Group {
  std::string folder;  // has the group's files; may be missing
  bool unified;        // version 2 of control groups, whose files have other names
};

// The process's groups under `controller` ("cpu", "memory") and those above each, which bound it as well, up to the mount. In a container the
// path may be that of the host: its folders are not there, and the mount is the container's own group. `root` goes before /proc and /sys, for
// tests. Empty where the system has no control groups.
std::vector<Group> groups_of(const std::string& root, const std::string& controller);

// A file of one number. Infinite for "max" and for a file that is not there: no limit.
double number_in(const std::string& path);

}  // namespace attune::cpu
