import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { circle, kernelOf, libFault, nativeFault } from './directions.js';
import { cppSuffixes, files, imports, includes, type SourceFile, withoutComments } from './source.js';

const defined = <T>(value: T | undefined): value is T => value !== undefined;

describe('lib', () => {
  const lib = files('lib', ['.ts']);

  it('imports only what its room may', () => {
    expect(lib.flatMap((file) => imports(file).map((one) => libFault(file.path, one))).filter(defined)).toEqual([]);
  });

  it('has files that import each other downward only, types too', () => {
    const near = (file: SourceFile) => imports(file).filter(({ specifier }) => specifier.startsWith('.'));
    const target = (path: string, specifier: string) => posix.join(posix.dirname(path), specifier.replace(/\.js$/, '.ts'));
    const edges = lib.map((file) => [file.path, new Set(near(file).map(({ specifier }) => target(file.path, specifier)))] as const);
    expect(circle(new Map(edges))).toBeUndefined();
  });

  it('touches a .node file in lib/native.ts alone', () => {
    const touching = lib.filter(({ text }) => /\.node['"`]|\bdlopen\b/.test(withoutComments(text))).map(({ path }) => path);
    expect(touching.filter((path) => path !== 'lib/native.ts')).toEqual([]);
  });

  it('has an index of re-exports alone', () => {
    const index = lib.find(({ path }) => path === 'lib/index.ts');
    const rest = withoutComments(index?.text ?? '').replace(
      /\bexport\s+(type\s+)?(\*(\s+as\s+\w+)?|\{[^}]*\})\s+from\s+['"][^'"]+['"];?/g,
      '',
    );
    expect(rest.trim()).toBe('');
  });

  it('is judged by rules that see a fault', () => {
    const plain = (specifier: string) => ({ specifier, typeOnly: false });
    expect(libFault('lib/methods/dpo.ts', plain('../training/loop.js'))).toContain('may not import training');
    expect(libFault('lib/methods/dpo.ts', plain('../data/pack.js'))).toContain('types of data only');
    expect(libFault('lib/methods/dpo.ts', { specifier: '../data/pack.js', typeOnly: true })).toBeUndefined();
    expect(libFault('lib/training/loop.ts', plain('../cli/train.js'))).toContain('may not import cli');
    expect(libFault('lib/misc/thing.ts', plain('node:fs'))).toContain('not in the table');
    expect(libFault('lib/data/read.ts', plain('../errors/index.js'))).toBeUndefined();
  });

  it('is read by an import scanner that sees every form', () => {
    const text = `import { a } from './a.js';\nimport type { B } from './b.js';\nimport {\n  type C,\n  type D,\n} from './c.js';
      export * from './e.js';\nimport './f.js';\nconst g = await import('./g.js');\n// import { h } from './h.js';\n`;
    expect(imports({ path: 'x.ts', text })).toEqual([
      { specifier: './a.js', typeOnly: false },
      { specifier: './b.js', typeOnly: true },
      { specifier: './c.js', typeOnly: true },
      { specifier: './e.js', typeOnly: false },
      { specifier: './f.js', typeOnly: false },
      { specifier: './g.js', typeOnly: false },
    ]);
  });
});

describe('native', () => {
  const native = files('native', cppSuffixes).map(({ path, text }) => ({ path: path.slice('native/'.length), text }));

  it('includes only what its room may', () => {
    expect(native.flatMap((file) => includes(file).map((one) => nativeFault(file.path, one))).filter(defined)).toEqual([]);
  });

  it('has kernels that include each other downward only', () => {
    const edges = new Map<string, Set<string>>();
    for (const file of native) {
      const from = kernelOf(file.path);
      if (from === undefined) continue;
      const to = includes(file).map(({ path }) => kernelOf(path));
      edges.set(from, new Set([...(edges.get(from) ?? []), ...to.filter(defined).filter((room) => room !== from)]));
    }
    expect(circle(edges)).toBeUndefined();
  });

  it('is judged by rules that see a fault', () => {
    const own = (path: string) => ({ path, system: false });
    expect(nativeFault('cpu/threads.cpp', own('cuda/stream.h'))).toContain('cpu may not include cuda');
    expect(nativeFault('kernels/lora_matmul/lora_matmul.cpp', own('kernels/matmul/matmul.h'))).toBeUndefined();
    expect(nativeFault('kernels/lora_matmul/lora_matmul.cpp', own('kernels/matmul/matmul.cpp'))).toContain('through its .h');
    expect(nativeFault('kernels/matmul/matmul.cpp', own('matmul.h'))).toContain('write includes from native/');
    expect(nativeFault('transformer/cpu/forward.cpp', own('cuda/stream.h'))).toContain('transformer/cpu may not include cuda');
    expect(nativeFault('transformer/cpu/forward.cpp', { path: 'napi.h', system: true })).toContain('only native/binding');
    expect(nativeFault('binding/addon.cpp', { path: 'napi.h', system: true })).toBeUndefined();
    expect(
      circle(
        new Map([
          ['a', new Set(['b'])],
          ['b', new Set(['c'])],
          ['c', new Set(['b'])],
        ]),
      ),
    ).toBe('b → c → b');
  });
});
