/** The number types of stored tensors: sizes, and conversion to and from f32. */
import type { StoredType } from '../native.js';

/** Bytes of one number of each type that safetensors knows. Only F32, F16 and BF16 are read as weights. */
export const DTYPE_BYTES: Record<string, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

export const STORED_TYPES = { F32: 'f32', F16: 'f16', BF16: 'bf16' } as const satisfies Record<string, StoredType>;
export const STORED_NAMES = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const satisfies Record<StoredType, string>;
export const STORED_BYTES: Record<StoredType, number> = { f32: 4, f16: 2, bf16: 2 };

/** Smallest magnitude that rounds to infinity: the largest finite number and half a step more. */
export const OVERFLOWS: Record<StoredType, number> = { f32: Number.POSITIVE_INFINITY, f16: 65520, bf16: (2 - 2 ** -8) * 2 ** 127 };

/** Largest relative error of rounding to the nearest. */
export const UNIT_ROUNDOFF: Record<StoredType, number> = { f32: 2 ** -24, f16: 2 ** -11, bf16: 2 ** -8 };

/** Stored numbers (little-endian bytes) as f32. */
export function toFloat32(bytes: Uint8Array, stored: StoredType): Float32Array {
  // A copy where the place in memory is not a multiple of the number's size.
  const start = bytes.byteOffset % STORED_BYTES[stored] === 0 ? bytes : bytes.slice();
  if (stored === 'f32') return new Float32Array(start.buffer, start.byteOffset, start.byteLength / 4);
  const halves = new Uint16Array(start.buffer, start.byteOffset, start.byteLength / 2);
  const out = new Float32Array(halves.length);
  if (stored === 'bf16') {
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
    return out;
  }
  halfTable ??= Float32Array.from({ length: 65536 }, (_, half) => halfValue(half));
  for (let i = 0; i < halves.length; i++) out[i] = halfTable[halves[i] as number] as number;
  return out;
}

let halfTable: Float32Array | undefined;

function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** f32 as stored numbers, rounded to the nearest, ties to even. */
export function fromFloat32(values: Float32Array, stored: StoredType): Uint8Array {
  if (stored === 'f32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  const one = stored === 'bf16' ? bfloat16 : float16;
  for (let i = 0; i < bits.length; i++) out[i] = one(bits[i] as number);
  return new Uint8Array(out.buffer);
}

function bfloat16(bits: number): number {
  // NaN keeps its sign and stays NaN whatever its payload was.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function float16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  // Below 2^-14 the steps are 2^-24: subnormal numbers of f16.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const down = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (down + (rest > half || (rest === half && down & 1) ? 1 : 0));
}
