// The guards beside the buffers of kernels: that every test has them, and that one byte too far is an error.
import { afterEach, describe, expect, it } from 'vitest';
import { callKernel, type KernelOptions } from '../../lib/kernels/call.js';
import { swiglu } from '../../lib/kernels/index.js';
import { GUARDED } from '../kernels/harness.js';

const probe = (buffer: string, bytes: number, at: number, options?: KernelOptions) =>
  callKernel<{ guarded: boolean; misalignment: number }>('guard_probe', { buffer, bytes, at }, options);
const changed = (message: string) => expect.objectContaining({ code: 'guard_overwritten', message: expect.stringContaining(message) });

describe.skipIf(!GUARDED).each(['memory', 'floats', 'held'])('a buffer (%s)', (buffer) => {
  it.each([64, 128, 4096, 262144])('of %i bytes may be written up to its ends', (bytes) => {
    for (const at of [0, bytes - 1]) expect(probe(buffer, bytes, at)).toEqual({ guarded: true, misalignment: 16 });
  });

  it.each([64, 128, 4096, 262144])('of %i bytes may not be written beyond them', (bytes) => {
    for (const [at, where] of [
      [bytes, 'byte 0 behind'],
      [bytes + 4095, 'byte 4095 behind'],
      [-1, 'byte 1 before'],
      [-4096, 'byte 4096 before'],
    ] as const)
      for (const threads of [1, 3])
        expect(() => probe(buffer, bytes, at, { threads })).toThrow(changed(`[guard_probe] ${where} a buffer of ${bytes} bytes`));
    expect(probe(buffer, bytes, 0).guarded).toBe(true); // the fault is told once
  });
});

describe('guards', () => {
  afterEach(() => {
    if (GUARDED) process.env.ATTUNE_KERNEL_GUARDS = '1';
  });

  it('are there in tests only', () => {
    expect(process.env.ATTUNE_KERNEL_GUARDS === '1').toBe(GUARDED);
    delete process.env.ATTUNE_KERNEL_GUARDS;
    expect(probe('memory', 64, 64).guarded).toBe(false);
    expect(probe('floats', 64, -1).guarded).toBe(false);
  });

  it('leave the bits of results as they are', () => {
    const args = { gate: Float32Array.from({ length: 99 }, (_, i) => Math.sin(i)), up: new Float32Array(99).fill(0.3), columns: 33 };
    const { act } = swiglu(args);
    delete process.env.ATTUNE_KERNEL_GUARDS;
    expect(swiglu(args).act).toEqual(act);
  });
});
