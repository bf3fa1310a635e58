/** Files that a path or a glob names. */
import { readdir, stat } from 'node:fs/promises';
import { join, parse, sep } from 'node:path';
import { DataError } from '../errors/index.js';
import { ifThere } from '../errors/system.js';

/**
 * The files of `pattern`, an absolute path with `*`, `?`, `[abc]`, `{a,b}` or `**`, in order of their names. A part that is there by that very
 * name is taken as it stands, whatever characters it has.
 * @throws DataError `missing_data` where there is none
 */
export async function findFiles(pattern: string): Promise<string[]> {
  if (await kind(pattern)) return [pattern];
  const found = new Set<string>();
  for (const plain of alternatives(pattern)) {
    const { root } = parse(plain);
    for (const file of await matches(root, plain.slice(root.length).split(sep))) found.add(file);
  }
  if (found.size === 0) throw new DataError('missing_data', /[*?[{]/.test(pattern) ? 'no file matches' : 'no such file', { file: pattern });
  return [...found].sort();
}

async function matches(folder: string, parts: string[]): Promise<string[]> {
  const [part, ...rest] = parts;
  if (part === undefined) return [];
  if (part === '**') return anyDepth(folder, parts, rest);
  const names = (await kind(join(folder, part))) ? [part] : (await entries(folder)).filter((name) => matcher(part).test(name));
  const found = await Promise.all(names.map((name) => below(join(folder, name), rest)));
  return found.flat();
}

async function below(path: string, rest: string[]): Promise<string[]> {
  const what = await kind(path);
  if (rest.length === 0) return what === 'file' ? [path] : [];
  return what === 'folder' ? matches(path, rest) : [];
}

async function anyDepth(folder: string, parts: string[], rest: string[]): Promise<string[]> {
  const here = await matches(folder, rest.length === 0 ? ['*'] : rest);
  const deeper = await Promise.all(
    (await entries(folder)).filter((name) => !name.startsWith('.')).map((name) => below(join(folder, name), parts)),
  );
  return [...here, ...deeper.flat()];
}

async function entries(folder: string): Promise<string[]> {
  return (await ifThere(readdir(folder), folder)) ?? [];
}

async function kind(path: string): Promise<'file' | 'folder' | undefined> {
  const found = await ifThere(stat(path), path).catch((error) => {
    // A pattern may be longer than any name can be.
    if ((error.cause as NodeJS.ErrnoException)?.code === 'ENAMETOOLONG') return undefined;
    throw error;
  });
  return found === undefined ? undefined : found.isDirectory() ? 'folder' : 'file';
}

/** `a{b,c}d` → `abd`, `acd`. */
function alternatives(pattern: string): string[] {
  const group = /\{([^{}]*,[^{}]*)\}/.exec(pattern);
  if (group === null) return [pattern];
  const [head, tail] = [pattern.slice(0, group.index), pattern.slice(group.index + group[0].length)];
  return (group[1] ?? '').split(',').flatMap((choice) => alternatives(head + choice + tail));
}

/** A part of a pattern as a regular expression; `*` and `?` do not take a leading dot. */
function matcher(part: string): RegExp {
  const body = part.replace(/\[(!?)([^\]]+)\]|\*|\?|[\\^$.*+?()[\]{}|]/g, (found, not: string | undefined, set: string | undefined) => {
    if (found === '*') return '[^]*';
    if (found === '?') return '[^]';
    return set === undefined ? `\\${found}` : `[${not === '!' ? '^' : ''}${set.replace(/[\\\]^]/g, '\\$&')}]`;
  });
  return new RegExp(`^${/^[*?[]/.test(part) ? '(?!\\.)' : ''}${body}$`, 'u');
}
