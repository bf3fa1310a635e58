// On which CPUs the threads of a team run: how many the process may use, and which of them a team may keep for itself. The decisions are
// functions from numbers to numbers; what they are told of the machine is read by the functions below them.
//
// A team is pinned, one thread to a CPU, where its CPUs can be its own: no other team of this process has them, and no other process of this
// machine that pins through here (a claim is a lock on one byte per CPU of a file, which ends with the process). Where others may be pinned
// unseen, as in a container, or where the time of the CPUs is rationed, the system places the threads.
#pragma once
#include <string>
#include <vector>

namespace attune::cpu {

// ATTUNE_PIN: unset or `auto`; `0` never; `1` also where other processes cannot be seen or time is rationed.
enum class Pin : int { automatic = 0, never = 1, always = 2 };

struct Wish {
  int threads = 1;
  std::vector<int> allowed;  // CPUs that the process may run on, rising
  std::vector<int> taken;    // of other teams, here or in other processes
  double quota = 0;          // CPUs' worth of time that a control group grants; 0: no bound
  Pin pin = Pin::automatic;
  bool unseen = false;  // other processes may be pinned here, and this one cannot see them
};
struct Placement {
  std::vector<int> cpus;  // thread i on cpus[i]; empty: the system places them
  std::string reason;     // why they are empty, for `doctor`
};

// The first CPUs that nobody has, one a thread, or none.
Placement place(const Wish& wish);

// Threads of a team that was given no number: one per allowed CPU, as many as the quota pays for, at least one. Rounded down, as threads that
// wait for one that was stopped spend the time of all.
int default_threads(int allowed, double quota);

// CPUs' worth of time that control groups (version 1 or 2) grant this process: the least of its group's and of those above. 0: no bound.
// `root` goes before /proc and /sys, for tests.
double cpu_quota(const std::string& root);

// CPUs that the calling thread may run on, rising; {} where the system does not say.
std::vector<int> allowed_list();

// The CPUs of one team, for its life.
class Claim {
 public:
  explicit Claim(int threads);
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  const std::vector<int>& cpus() const { return cpus_; }

 private:
  std::vector<int> cpus_;
};

// What a team of this size would get now, without taking it.
Placement preview(int threads);

}  // namespace attune::cpu
