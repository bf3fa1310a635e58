/** What every kernel owes JavaScript: each argument is read once, and what a getter or another view does meanwhile harms nothing. */
import { describe, expect, it } from 'vitest';
import { type Arguments, argumentsOf, callPublic, kernelNames, MEASURING, publicKernels } from '../robust/kernel_arguments.js';
import { beyond, cut, gone, isView, resizable, shared, shifted, type View } from '../robust/views.js';

/** The first arguments of this kernel that it takes and that have numbers in every array. */
function taken(name: string): Arguments {
  for (let i = 0; i < 200; i++) {
    const args = argumentsOf(name, 1, i);
    if (Object.values(args).every((value) => !isView(value) || value.length > 0)) return args;
  }
  throw new Error(`no arguments for ${name}`);
}

/** `args` behind getters that count, and that answer `later` from the second time on. */
function counted(args: Arguments, later: (value: unknown) => unknown) {
  const reads: Record<string, number> = {};
  const object = {};
  for (const [key, value] of Object.entries(args))
    Object.defineProperty(object, key, {
      enumerable: true,
      get: () => {
        reads[key] = (reads[key] ?? 0) + 1;
        return reads[key] === 1 ? value : later(value);
      },
    });
  return { object, most: () => Math.max(...Object.values(reads)) };
}

/** The same arguments; reading any of them cuts the buffers of those that were read before. */
function shrinking(args: Arguments) {
  const read: View[] = [];
  const object = {};
  for (const [key, value] of Object.entries(args)) {
    const view = isView(value) ? resizable(value) : value;
    const get = () => {
      for (const before of read) cut(before, 0);
      if (isView(view)) read.push(view);
      return view;
    };
    Object.defineProperty(object, key, { enumerable: true, get });
  }
  return object;
}

/** Throws what is no refusal; an argument that this call does not use is taken. */
function refusedOrUnused(call: () => unknown) {
  try {
    call();
  } catch (error) {
    expect(error).toMatchObject({ code: 'kernel_arguments' });
  }
}

it('has arguments here for every kernel', () => {
  expect(publicKernels.filter((name) => !kernelNames.includes(name))).toEqual(MEASURING);
});

describe.each(kernelNames)('%s', (name) => {
  const args = taken(name);
  const right = callPublic(name, args);

  it('reads each argument once', () => {
    for (const later of [() => new Float32Array(0), () => 1 << 24, () => undefined]) {
      const { object, most } = counted(args, later);
      expect(callPublic(name, object)).toEqual(right);
      expect(most()).toBe(1);
    }
  });

  it('copies what it read before the next getter runs', () => {
    for (let i = 0; i < 30; i++) {
      const given = argumentsOf(name, 2, i);
      expect(callPublic(name, shrinking(given)), `input ${i}`).toEqual(callPublic(name, given));
    }
  });

  it('reads arrays of shared, resizable and shifted memory', () => {
    for (const made of [resizable, shared, shifted]) {
      const moved = Object.fromEntries(Object.entries(args).map(([key, value]) => [key, isView(value) ? made(value) : value]));
      expect(callPublic(name, moved)).toEqual(right);
    }
  });

  it('refuses an array whose buffer is gone', () => {
    for (const [key, value] of Object.entries(args)) {
      if (!isView(value)) continue;
      for (const made of [gone, beyond]) refusedOrUnused(() => callPublic(name, { ...args, [key]: made(value) }));
    }
  });

  it('names what a getter threw', () => {
    for (const thrown of [new Error('mine'), null, undefined, 'text']) {
      const object = Object.defineProperty({ ...args }, Object.keys(args)[0]!, {
        get: () => {
          throw thrown;
        },
      });
      expect(() => callPublic(name, object)).toThrow(expect.objectContaining({ kind: 'work', code: 'native_failure' }));
    }
  });
});

describe('an empty matrix', () => {
  const none = new Float32Array(0);
  const [wide, noIds] = [1 << 24, new Int32Array(0)];
  const PAGES = { heads: 1024, kvHeads: 1024, headSize: 256, pageCount: 1 << 20, maxPages: 1 };
  const HEAD = { headSize: 1 << 16, heads: 1 << 16 };
  const cases: Record<string, Arguments> = {
    contract: { m: 0, r: 1 << 20, k: 512, left: none, right: none },
    activation: { x: none, columns: wide },
    activationBackward: { x: none, dy: none, columns: wide },
    swiglu: { gate: none, up: none, columns: wide },
    swigluBackward: { gate: none, up: none, dact: none, columns: wide },
    attentionDecode: { q: none, k: none, v: none, slots: noIds, pages: noIds, lengths: noIds, ...PAGES },
    dropout: { x: none, columns: 1 << 20, p: 0.5, rowKeys: noIds, key: 1 },
    embeddingBackward: { ids: noIds, dx: none, vocabulary: 1 << 20, columns: 512 },
    rotary: { x: none, positions: noIds, ...HEAD },
    rmsNorm: { x: none, weight: new Float32Array(64), groups: 1 << 20 },
    rmsNormBackward: { x: none, dy: none, inverse: none, weight: new Float32Array(64), groups: 1 << 20 },
  };
  // A sanitizer keeps memory of its own beside what is asked for.
  it.skipIf(process.env.ATTUNE_SANITIZED).each(Object.keys(cases))('of many columns costs no memory: %s', (name) => {
    const before = process.memoryUsage.rss();
    callPublic(name, cases[name]);
    // 2^24 columns of the smallest block of 32 rows are 2 GiB; a collection of garbage moves some MiB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 << 20);
  });

  it('is told from sizes that no memory has', () => {
    const huge = { ids: noIds, dx: none, vocabulary: 1 << 24, columns: 1 << 20 };
    expect(() => callPublic('embeddingBackward', huge)).toThrow(expect.objectContaining({ code: 'out_of_memory' }));
    const gate = { m: 0, r: 1 << 24, k: 1 << 24, left: none, right: none };
    expect(() => callPublic('contract', gate)).toThrow(expect.objectContaining({ code: 'out_of_memory' }));
  });
});
