// AMX tiles: the 32 x 32 step that everything of this instruction set is built from, and the two packings of a bf16 block that it reads.
// For files that are compiled for amx only (suffix .amx.cpp).
//
//   rows    [32 rows][32 k]                                left operand: a block of the rows layout as it is; 2 KiB
//   panel   [2 halves][16 k-pairs][16 columns][2]          right operand: pair p of a column holds k = 2p, 2p + 1; 2 KiB
//   sums    [2 row halves][2 column halves][16][16] fp32   4 KiB
//
// GCC 12 describes neither the 64 bytes that ldtilecfg reads nor the memory that tileloadd reads, so it may drop or delay the stores that fill
// them: call written() between code that writes what a tile load will read and that load.
#pragma once
#include "cpu/vector.h"

namespace attune::ATTUNE_ISA {

ATTUNE_INLINE void written() { asm volatile("" ::: "memory"); }

// All eight tiles 16 rows x 64 bytes. One configuration per thread and task: it costs about as much as a step. Off again at the end: a thread with
// tile state costs the system 8 KiB per switch.
ATTUNE_INLINE void tiles_on() {
  struct __attribute__((packed)) {
    uint8_t palette, start, reserved[14];
    uint16_t columns[16];
    uint8_t rows[16];
  } c;
  memset(&c, 0, sizeof c);
  c.palette = 1;
  for (int i = 0; i < 8; i++) c.columns[i] = 64, c.rows[i] = 16;
  asm volatile("" ::"r"(&c) : "memory");
  _tile_loadconfig(&c);
}
ATTUNE_INLINE void tiles_off() { _tile_release(); }
// On for the life of this object.
struct Tiles {
  Tiles() { tiles_on(); }
  ~Tiles() { tiles_off(); }
  Tiles(const Tiles&) = delete;
};

// Tiles 0 .. 3 hold the sums: 2 x 2 is the only shape with one load per product in eight tiles.
ATTUNE_INLINE void tiles_zero() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
// sums (32, 32) += left (32 rows, 32 k) right (32 k, 32 columns). The left side streams (tileloaddt1): it does not displace the right one from L1.
ATTUNE_INLINE void tiles_step(const bf16* left, const bf16* right) {
  _tile_stream_loadd(4, left, 64);
  _tile_loadd(6, right, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, right + 512, 64);
  _tile_dpbf16ps(1, 4, 7);
  _tile_stream_loadd(5, left + 512, 64);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}
ATTUNE_INLINE void tiles_store(float* sums) {
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + 256, 64);
  _tile_stored(2, sums + 512, 64);
  _tile_stored(3, sums + 768, 64);
}
ATTUNE_INLINE void tiles_load(const float* sums) {
  _tile_stream_loadd(0, sums, 64);
  _tile_stream_loadd(1, sums + 256, 64);
  _tile_stream_loadd(2, sums + 512, 64);
  _tile_stream_loadd(3, sums + 768, 64);
}
// Sixteen sums of row r, from column 16 h on.
ATTUNE_INLINE long sums_index(long r, long h) { return (r >> 4) * 512 + h * 256 + (r & 15) * 16; }

ATTUNE_INLINE __m512i line(const bf16* p) { return _mm512_loadu_si512(p); }
ATTUNE_INLINE void put_line(bf16* p, __m512i x) { _mm512_storeu_si512(p, x); }
ATTUNE_INLINE __m512i narrow(F16 lo, F16 hi) { return (__m512i)_mm512_cvtne2ps_pbh(hi.v, lo.v); }

// Lane L of row j of four groups of four rows becomes lane L of a 16-lane line: the last two of the four rounds of a 16 x 16 transpose.
ATTUNE_INLINE void cross(const __m512i* x, long group, bf16* out, long step) {
  const __m512i p = _mm512_shuffle_i64x2(x[0], x[group], 0x88), q = _mm512_shuffle_i64x2(x[2 * group], x[3 * group], 0x88);
  const __m512i r = _mm512_shuffle_i64x2(x[0], x[group], 0xdd), s = _mm512_shuffle_i64x2(x[2 * group], x[3 * group], 0xdd);
  put_line(out, _mm512_shuffle_i64x2(p, q, 0x88)), put_line(out + 2 * step, _mm512_shuffle_i64x2(p, q, 0xdd));
  put_line(out + step, _mm512_shuffle_i64x2(r, s, 0x88)), put_line(out + 3 * step, _mm512_shuffle_i64x2(r, s, 0xdd));
}

// out[j][i] = in[i][j] of a block of 32 x 32. 160 shuffles.
static inline void transpose_block(const bf16* in, bf16* out) {
  __m512i z[32];
  for (int g = 0; g < 4; g++) {
    __m512i a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = line(in + (g * 8 + i) * 32);
    for (int i = 0; i < 4; i++) {
      b[2 * i] = _mm512_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
      b[2 * i + 1] = _mm512_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++)
      for (int h = 0; h < 2; h++) {
        a[4 * i + 2 * h] = _mm512_unpacklo_epi32(b[4 * i + h], b[4 * i + 2 + h]);
        a[4 * i + 2 * h + 1] = _mm512_unpackhi_epi32(b[4 * i + h], b[4 * i + 2 + h]);
      }
    for (int j = 0; j < 4; j++) {
      z[g * 8 + 2 * j] = _mm512_unpacklo_epi64(a[j], a[4 + j]);
      z[g * 8 + 2 * j + 1] = _mm512_unpackhi_epi64(a[j], a[4 + j]);
    }
  }
  for (int j = 0; j < 8; j++) cross(z + j, 8, out + j * 32, 8 * 32);
}

// A block as right operand that contracts its columns (block^T): a 16 x 16 transpose of pairs per half of the rows.
static inline void panel_of_columns(const bf16* in, bf16* out) {
  for (int h = 0; h < 2; h++) {
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = line(in + (h * 16 + i) * 32);
    for (int i = 0; i < 8; i++) {
      b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
      b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
    }
    for (int g = 0; g < 4; g++)
      for (int k = 0; k < 2; k++) {
        a[4 * g + 2 * k] = _mm512_unpacklo_epi64(b[4 * g + k], b[4 * g + 2 + k]);
        a[4 * g + 2 * k + 1] = _mm512_unpackhi_epi64(b[4 * g + k], b[4 * g + 2 + k]);
      }
    for (int j = 0; j < 4; j++) cross(a + j, 4, out + h * 512 + j * 32, 4 * 32);
  }
}

// A block as right operand that contracts its rows.
static inline void panel_of_rows(const bf16* in, bf16* out) {
  const __m512i lo = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34,
                                      2, 33, 1, 32, 0);
  const __m512i hi = _mm512_add_epi16(lo, _mm512_set1_epi16(16));
  for (int p = 0; p < 16; p++) {
    const __m512i a = line(in + 2 * p * 32), b = line(in + (2 * p + 1) * 32);
    put_line(out + p * 32, _mm512_permutex2var_epi16(a, lo, b)), put_line(out + 512 + p * 32, _mm512_permutex2var_epi16(a, hi, b));
  }
}
// Two rows of sixteen numbers as one line of such an operand: (a0, b0), (a1, b1), …
ATTUNE_INLINE __m512i pairs(F16 a, F16 b) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                         18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, narrow(a, b));
}

}  // namespace attune::ATTUNE_ISA
