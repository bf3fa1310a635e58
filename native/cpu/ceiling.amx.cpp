// Four products of 16 x 32 by 32 x 16 a step, operands from L1: what the inner loop of every matrix kernel does, and nothing else.
#include "cpu/amx.h"
#include "cpu/ceiling_variants.h"
#include <string.h>

namespace attune::cpu {

double multiply_amx(const bf16* numbers, long rounds, float* sink) {
  using namespace ATTUNE_ISA;
  const Tiles on;
  tiles_zero();
  for (long r = 0; r < rounds; r++) {
    const bf16* at = numbers + (r & 1) * 2048;  // 4 KiB by turns, so that the operands are loaded anew
    _tile_loadd(4, at, 64);
    _tile_loadd(6, at + 1024, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, at + 1536, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, at + 512, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  alignas(64) float out[256];
  _tile_stored(0, out, 64);
  asm volatile("" ::"r"(out) : "memory");
  memcpy(sink, out, 256);
  return 4.0 * 2 * 16 * 16 * 32 * double(rounds);
}

}  // namespace attune::cpu
