import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kernelOf } from './directions.js';
import { cppSuffixes, files, includes, root } from './source.js';

/** Rooms whose bench is not written yet. An entry goes with the commit that writes it, which the second test insists on. */
const WITHOUT_BENCH = ['adamw', 'gradient_norm'];

describe('a kernel room', () => {
  // A header alone is an interface on which others already build; a room is a kernel from its first source on.
  const rooms = new Set(files('native', ['.cpp', '.cu']).flatMap(({ path }) => kernelOf(path.slice('native/'.length)) ?? []));
  const missing = (path: string) => !existsSync(join(root, path));

  it('has a test of its name', () => {
    expect([...rooms].map((room) => `test/kernels/${room}.test.ts`).filter(missing)).toEqual([]);
  });

  it('has a bench of its name', () => {
    const expected = [...rooms].filter((room) => !WITHOUT_BENCH.includes(room));
    expect(expected.map((room) => `bench/kernels/${room}.bench.ts`).filter(missing)).toEqual([]);
  });

  it('is listed as without a bench only while it is', () => {
    expect(WITHOUT_BENCH.filter((room) => !missing(`bench/kernels/${room}.bench.ts`))).toEqual([]);
  });
});

/**
 * An inline function of the standard library that is compiled with AVX-512 can be the copy that the linker keeps, and then every machine runs it.
 * Headers of C hold declarations; the three with a `c` in front only put the same into std.
 */
const isOfC = (path: string) => /^[a-z0-9_/]+\.h$/.test(path) || ['cstdint', 'cstring', 'cstddef'].includes(path);

describe('a file with an instruction set in its name', () => {
  const isa = files('native', cppSuffixes).filter(({ path }) => /\.(avx2|avx512|amx)\.(cpp|h)$/.test(path));

  it('includes no header of the standard library', () => {
    const faults = isa.flatMap((file) =>
      includes(file)
        .filter((one) => one.system && !isOfC(one.path))
        .map((one) => `${file.path}: <${one.path}>`),
    );
    expect(faults).toEqual([]);
  });

  it('is judged by a rule that sees a fault', () => {
    expect(['vector', 'algorithm', 'cmath', 'span'].filter(isOfC)).toEqual([]);
    expect(['cstdint', 'immintrin.h', 'math.h', 'sys/types.h'].filter((path) => !isOfC(path))).toEqual([]);
  });
});

describe('a CUDA launch', () => {
  it('is written in native/cuda alone: all others go through cuda::launch', () => {
    const raw = files('native', cppSuffixes).filter(({ path, text }) => !path.startsWith('native/cuda/') && text.includes('<<<'));
    expect(raw.map(({ path }) => path)).toEqual([]);
  });
});
