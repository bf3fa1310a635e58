// The rule behind "no header of the standard library in x.avx512.cpp", asked of the compiler's output: an object that was compiled for an
// instruction set may share no function with the others. A weak symbol (an inline function that was not inlined, a template) is shared: the
// linker keeps one copy of all, and if that is the AVX-512 one, machines without it die of an illegal instruction. Weak symbols of the
// namespace of the instruction set (attune::avx512) are its own.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { files, root } from './source.js';

const objects = join(
  process.env.ATTUNE_BUILD_DIR ? resolve(process.env.ATTUNE_BUILD_DIR) : join(root, 'build/cmake'),
  'CMakeFiles/attune.dir',
);

/** Objects that are younger than their source: others say nothing of it. */
const built = files('native', ['.avx2.cpp', '.avx512.cpp', '.amx.cpp'])
  .map(({ path }) => ({ path, object: join(objects, `${path}.o`) }))
  .filter(({ path, object }) => existsSync(object) && statSync(object).mtimeMs >= statSync(join(root, path)).mtimeMs);

const weakSymbols = (object: string) =>
  spawnSync('nm', ['--demangle', '--defined-only', object], { encoding: 'utf8', maxBuffer: 2 ** 26 })
    .stdout.split('\n')
    .flatMap((line) => line.match(/^[0-9a-f]+ [WVuw] (.*)$/)?.[1] ?? [])
    // A pointer to the runtime's own function, the same in every object: data, not code.
    .filter((symbol) => !symbol.startsWith('DW.ref.'));

const hasNm = spawnSync('nm', ['--version']).status === 0;

it.skipIf(!hasNm || built.length === 0)('objects of an instruction set share no function with others', () => {
  const shared = built.flatMap(({ path, object }) => {
    const own = `attune::${path.match(/\.(\w+)\.cpp$/)?.[1]}::`;
    return weakSymbols(object).flatMap((symbol) => (symbol.includes(own) ? [] : `${path}: ${symbol}`));
  });
  expect(shared, 'put these into the namespace of the instruction set, or make them `static`').toEqual([]);
});
