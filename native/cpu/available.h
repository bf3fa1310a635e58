// How much memory the process may still take: of the machine, and of the container or the limits that it runs under.
#pragma once
#include <string>

namespace attune::cpu {

// Bytes, the least of: what the kernel counts as available (MemAvailable), what the limits of the process's control group and of those above it
// leave (files that it may drop not counted), and what the limit on address space leaves. Infinite where nothing is known. `root` stands before
// /proc and /sys, for tests.
double available_memory(const std::string& root = "");

// Throws `out_of_memory` where `bytes` are more than that: "[what] needs …".
void require_memory(double bytes, const std::string& what, const std::string& advice);

}  // namespace attune::cpu
