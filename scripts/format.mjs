// Formats everything in place: TypeScript, JavaScript and JSON with biome, C++ and CUDA with clang-format (as WebAssembly: the same version everywhere).
//
//   npm run format        node scripts/format.mjs [FILE…]: those files alone
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { main, nodeModule, root, run } from './command.mjs';
import { setup } from './setup.mjs';

const CPP = /\.(h|cpp|cu|cuh)$/;

function nativeFiles() {
  const names = readdirSync(resolve(root, 'native'), { recursive: true });
  return names.filter((name) => CPP.test(name)).map((name) => resolve(root, 'native', name));
}

/** C++ files whose text differs from what clang-format makes of them, with that text. */
export async function unformatted(files = nativeFiles()) {
  const [{ format }, { parse }] = await Promise.all([import('@wasm-fmt/clang-format'), import('yaml')]);
  // The WebAssembly build takes a style in braces, not a file; JSON is such a style.
  const style = JSON.stringify(parse(readFileSync(resolve(root, '.clang-format'), 'utf8')));
  return files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    // clang-format does not know CUDA's suffixes; it is C++ to it.
    const formatted = format(text, file.replace(/\.cuh?$/, '.cpp'), style);
    return formatted === text ? [] : [{ file: relative(root, file), formatted }];
  });
}

export const biome = (args, options) =>
  run(process.execPath, [nodeModule('@biomejs/biome/bin/biome'), ...args], { what: 'biome', ...options });

await main(import.meta.url, async (args) => {
  await setup();
  const files = args.map((file) => resolve(file));
  for (const { file, formatted } of await unformatted(files.length > 0 ? files.filter((file) => CPP.test(file)) : undefined)) {
    writeFileSync(resolve(root, file), formatted);
    process.stderr.write(`attune: formatted ${file}\n`);
  }
  const others = files.filter((file) => !CPP.test(file));
  if (files.length === 0 || others.length > 0) return biome(['check', '--write', ...others], { allowFailure: true });
});
