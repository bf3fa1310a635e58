#include "cpu/placement.h"
#include "cpu/groups.h"
#include <algorithm>
#include <cmath>
#include <fstream>

namespace attune::cpu {
namespace {

bool has(const std::vector<int>& list, int cpu) { return std::find(list.begin(), list.end(), cpu) != list.end(); }

const char* against(const Wish& w, size_t free) {
  if (w.threads < 2) return "one thread needs no place of its own";
  if (w.pin == Pin::never) return "ATTUNE_PIN=0";
  if (size_t(w.threads) > w.allowed.size()) return "more threads than CPUs";
  if (size_t(w.threads) > free) return "other teams or processes of attune have the CPUs";
  if (w.pin == Pin::always) return nullptr;
  if (w.quota > 0 && w.quota < double(w.allowed.size())) return "a control group rations the time of the CPUs";
  if (w.unseen) return "other processes may be pinned to the same CPUs unseen";
  return nullptr;
}

// CPUs, 0: no bound, which is how -1, "max" and a file that is not there read.
double ratio(double quota, double period) {
  return quota > 0 && period > 0 && std::isfinite(quota) && std::isfinite(period) ? quota / period : 0;
}

// Version 2: "max 100000" or "150000 100000".
double quota_in(const std::string& path) {
  std::ifstream file(path);
  double quota, period;
  return file >> quota >> period ? ratio(quota, period) : 0;
}

// The bound of one group; both files of version 1 lie in the folder of its controller.
double quota_of_group(const Group& group) {
  const std::string& folder = group.folder;
  if (group.unified) return quota_in(folder + "/cpu.max");
  return ratio(number_in(folder + "/cpu.cfs_quota_us"), number_in(folder + "/cpu.cfs_period_us"));
}

}  // namespace

Placement place(const Wish& w) {
  std::vector<int> free;
  for (const int c : w.allowed)
    if (!has(w.taken, c)) free.push_back(c);
  if (const char* reason = against(w, free.size())) return {{}, reason};
  free.resize(size_t(w.threads));
  return {free, ""};
}

int default_threads(int allowed, double quota) {
  const int paid = quota > 0 && quota < double(allowed) ? int(quota) : allowed;
  return std::max(1, paid);
}

double cpu_quota(const std::string& root) {
  double least = 0;
  for (const Group& group : groups_of(root, "cpu")) {
    const double quota = quota_of_group(group);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
  }
  return least;
}

}  // namespace attune::cpu
