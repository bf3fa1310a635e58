// Which engine runs: the one place that knows the devices there are.
#include "transformer/engine.h"
#include "transformer/cpu/cpu_engine.h"

namespace attune {

std::unique_ptr<Engine> load(const Network& network, const Options& options, const Tensors& tensors, const std::atomic<bool>& stop) {
  return std::make_unique<CpuEngine>(network, options, tensors, stop);
}

}  // namespace attune
