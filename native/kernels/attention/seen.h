// For the host: what each block of queries sees.
#pragma once
#include "kernels/attention/mask.h"
#include <vector>

namespace attune::attention {

// (blocks) of all sequences; empty where nothing is hidden.
std::vector<Seen> seen_blocks(const Shape& s);

}  // namespace attune::attention
