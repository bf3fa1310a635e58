import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kernelOf } from './directions.js';
import { cppSuffixes, files, includes, root } from './source.js';

/** Mirrors that are known to be missing, as `bench/kernels/x.bench.ts`. An entry goes as soon as its file is there. */
const MISSING: readonly string[] = [];

describe('a kernel room', () => {
  const rooms = new Set(files('native', cppSuffixes).flatMap(({ path }) => kernelOf(path.slice('native/'.length)) ?? []));
  const mirrors = [...rooms].sort().flatMap((room) => [`test/kernels/${room}.test.ts`, `bench/kernels/${room}.bench.ts`]);
  const there = (path: string) => existsSync(join(root, path));

  it('has a test and a bench of its name', () => {
    expect(mirrors.filter((path) => !there(path) && !MISSING.includes(path))).toEqual([]);
  });

  it('is listed as missing only while it is', () => {
    expect(MISSING.filter((path) => there(path) || !mirrors.includes(path))).toEqual([]);
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
