#include "cpu/placement.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

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

// The content of a small file; empty where it cannot be read, which is how a system without control groups looks.
std::string text_of(const std::string& path) {
  std::string text;
  if (FILE* f = fopen(path.c_str(), "re")) {
    char part[4096];
    for (size_t n; text.size() < (1 << 16) && (n = fread(part, 1, sizeof part, f)) > 0;) text.append(part, n);
    fclose(f);
  }
  return text;
}

double ratio(double quota, double period) { return quota > 0 && period > 0 ? quota / period : 0; }

// Version 2: "max 100000" or "150000 100000". -> CPUs, 0: no bound
double quota_in(const std::string& text) {
  double quota = 0, period = 0;
  return sscanf(text.c_str(), "%lf %lf", &quota, &period) == 2 ? ratio(quota, period) : 0;
}

// The bound of one group; both files of version 1 lie in the folder of its controller.
double quota_of_group(const std::string& folder, bool unified) {
  if (unified) return quota_in(text_of(folder + "/cpu.max"));
  return ratio(atof(text_of(folder + "/cpu.cfs_quota_us").c_str()), atof(text_of(folder + "/cpu.cfs_period_us").c_str()));
}

// The least of the group's and of those above it. In a container the path may be that of the host: what is not there has no bound, and the
// walk ends at the mount, which is the container's own group.
double least_quota(const std::string& mount, std::string group, bool unified) {
  double least = 0;
  for (;;) {
    const double q = quota_of_group(mount + group, unified);
    if (q > 0 && (least == 0 || q < least)) least = q;
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

// "4:cpu,cpuacct:/a/b" lists the controller cpu.
bool lists_cpu(std::string controllers) {
  controllers = "," + controllers + ",";
  return controllers.find(",cpu,") != std::string::npos;
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
  const std::string all = text_of(root + "/proc/self/cgroup"), sys = root + "/sys/fs/cgroup";
  double least = 0;
  const auto take = [&](double q) {
    if (q > 0 && (least == 0 || q < least)) least = q;
  };
  for (size_t from = 0; from < all.size();) {
    const size_t end = std::min(all.find('\n', from), all.size());
    const std::string line = all.substr(from, end - from);  // NUMBER:CONTROLLERS:/PATH
    from = end + 1;
    const size_t a = line.find(':'), b = a == std::string::npos ? a : line.find(':', a + 1);
    if (b == std::string::npos) continue;
    const std::string controllers = line.substr(a + 1, b - a - 1), path = line.substr(b + 1);
    if (controllers.empty()) take(least_quota(sys, path, true));
    if (lists_cpu(controllers)) take(least_quota(sys + "/" + controllers, path, false)), take(least_quota(sys + "/cpu", path, false));
  }
  return least;
}

}  // namespace attune::cpu
