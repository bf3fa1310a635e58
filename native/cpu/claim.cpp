// What placement.cpp decides on, read from the system, and the claims on CPUs: within the process a list, between processes locks.
#include "base/error.h"
#include "cpu/placement.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#if defined(__linux__)
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace attune::cpu {
namespace {

std::mutex mutex;
std::vector<int>& taken_here() {                          // under `mutex`
  static std::vector<int>& list = *new std::vector<int>;  // kept: teams may outlive statics
  return list;
}

Pin pin_setting() {
  const char* s = getenv("ATTUNE_PIN");
  if (!s || !*s || !strcmp(s, "auto")) return Pin::automatic;
  if (!strcmp(s, "0")) return Pin::never;
  if (!strcmp(s, "1")) return Pin::always;
  throw Error("model_arguments", std::string("ATTUNE_PIN: expected auto, 0 or 1, got ") + s);
}

#if defined(__linux__)

// One byte a CPU. Locks of an open file description: they end with the process, and hold against any other one that opened the file.
int claims_file() {
  static const int file = [] {
    constexpr const char* kPath = "/dev/shm/attune-cpus";
    int fd = open(kPath, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) return fd;
    fd = open(kPath, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT | O_EXCL, 0666);
    if (fd >= 0) fchmod(fd, 0666);  // whatever the mask of the one who came first: other users claim here too
    return fd >= 0 ? fd : open(kPath, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  }();
  return file;
}
bool lock_operation(int operation, short type, int cpu, short* found = nullptr) {
  struct flock l = {};
  l.l_type = type, l.l_whence = SEEK_SET, l.l_start = cpu, l.l_len = 1;
  const bool done = claims_file() >= 0 && fcntl(claims_file(), operation, &l) == 0;
  if (found) *found = l.l_type;
  return done;
}
bool lock(int cpu) { return lock_operation(F_OFD_SETLK, F_WRLCK, cpu); }
void unlock(int cpu) { lock_operation(F_OFD_SETLK, F_UNLCK, cpu); }
bool locked_elsewhere(int cpu) {
  short found = F_UNLCK;
  return lock_operation(F_OFD_GETLK, F_WRLCK, cpu, &found) && found != F_UNLCK;
}

// Another namespace of processes has its own /dev/shm as a rule: a claim made there is not seen by the machine's other containers. The first
// namespace has a fixed number (PROC_PID_INIT_INO of the kernel).
bool unseen() {
  struct stat s;
  return claims_file() < 0 || stat("/proc/self/ns/pid", &s) != 0 || s.st_ino != 0xEFFFFFFCu;
}

#else
bool lock(int) { return true; }
void unlock(int) {}
bool locked_elsewhere(int) { return false; }
bool unseen() { return true; }
#endif

Wish wish_for(int threads) {
  Wish w;
  w.threads = threads;
  if (threads > 1) w.pin = pin_setting();
  if (threads < 2 || w.pin == Pin::never) return w;  // decided without a look at the system
  w.allowed = allowed_list(), w.taken = taken_here(), w.quota = cpu_quota(""), w.unseen = unseen();
  return w;
}

// All of these CPUs, or none and the one that another process has is added to `taken`.
bool lock_all(const std::vector<int>& cpus, std::vector<int>& taken) {
  for (size_t i = 0; i < cpus.size(); i++) {
    if (lock(cpus[i])) continue;
    taken.push_back(cpus[i]);
    while (i-- > 0) unlock(cpus[i]);
    return false;
  }
  return true;
}

}  // namespace

std::vector<int> allowed_list() {
  std::vector<int> list;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int c = 0; c < CPU_SETSIZE; c++)
      if (CPU_ISSET(c, &set)) list.push_back(c);
#endif
  return list;
}

Claim::Claim(int threads) {
  std::lock_guard<std::mutex> guard(mutex);
  Wish w = wish_for(threads);
  for (;;) {
    cpus_ = place(w).cpus;
    // Told to pin where claims cannot be made (no file), a team is pinned beside what it cannot see.
    if (cpus_.empty() || (w.pin == Pin::always && w.unseen) || lock_all(cpus_, w.taken)) break;
  }
  taken_here().insert(taken_here().end(), cpus_.begin(), cpus_.end());
}

Claim::~Claim() {
  std::lock_guard<std::mutex> guard(mutex);
  std::vector<int>& taken = taken_here();
  for (const int c : cpus_) unlock(c), taken.erase(std::find(taken.begin(), taken.end(), c));
}

Placement preview(int threads) {
  std::lock_guard<std::mutex> guard(mutex);
  Wish w = wish_for(threads);
  for (const int c : w.allowed)
    if (locked_elsewhere(c)) w.taken.push_back(c);
  return place(w);
}

}  // namespace attune::cpu
