/** Files that a path or a glob names. */
import { open, readdir, stat } from 'node:fs/promises';
import { join, parse, sep } from 'node:path';
import { DataError } from '../../errors/index.js';
import { ifThere } from '../../errors/system.js';
import { WRITTEN } from '../../options/index.js';

/**
 * The files of `pattern`, an absolute path with `*`, `?`, `[abc]`, `{a,b}` or `**`, in order of their names. A part that is there by that very
 * name is taken as it stands, whatever characters it has. Folders of runs are passed over by patterns: what a run tells of itself is no data.
 * @param leftOut takes the folders of runs that were passed over
 * @throws DataError `missing_data` where there is none
 */
export async function findFiles(pattern: string, leftOut = new Set<string>()): Promise<string[]> {
  if (await kind(pattern)) return [pattern];
  const found = new Set<string>();
  for (const plain of alternatives(pattern)) {
    const { root } = parse(plain);
    for (const file of await matches(root, plain.slice(root.length).split(sep), leftOut)) found.add(file);
  }
  if (found.size > 0) return [...found].sort();
  const but = leftOut.size > 0 ? ` but those of runs, which are left out: ${[...leftOut].sort().join(', ')}` : '';
  const words = /[*?[{]/.test(pattern) ? `no file matches${but}` : 'no such file';
  throw new DataError('missing_data', words, { file: pattern });
}

async function matches(folder: string, parts: string[], leftOut: Set<string>): Promise<string[]> {
  const [part, ...rest] = parts;
  if (part === undefined) return [];
  if (part === '**') return anyDepth(folder, parts, rest, leftOut);
  if (await kind(join(folder, part))) return below(join(folder, part), rest, leftOut);
  const names = (await entries(folder)).filter((name) => matcher(part).test(name));
  return (await Promise.all(names.map((name) => byPattern(join(folder, name), rest, leftOut)))).flat();
}

async function below(path: string, rest: string[], leftOut: Set<string>): Promise<string[]> {
  const what = await kind(path);
  if (rest.length === 0) return what === 'file' ? [path] : [];
  return what === 'folder' ? matches(path, rest, leftOut) : [];
}

async function anyDepth(folder: string, parts: string[], rest: string[], leftOut: Set<string>): Promise<string[]> {
  const here = await matches(folder, rest.length === 0 ? ['*'] : rest, leftOut);
  const names = (await entries(folder)).filter((name) => !name.startsWith('.'));
  const deeper = await Promise.all(names.map((name) => byPattern(join(folder, name), parts, leftOut)));
  return [...here, ...deeper.flat()];
}

/** As `below`, for a name that a pattern found. */
async function byPattern(path: string, rest: string[], leftOut: Set<string>): Promise<string[]> {
  if (rest.length === 0 || !(await isRun(path))) return below(path, rest, leftOut);
  leftOut.add(path);
  return [];
}

/** Whether a folder holds a recipe that attune wrote. */
async function isRun(folder: string): Promise<boolean> {
  const file = await ifThere(open(join(folder, 'recipe.yaml')), folder);
  try {
    const { buffer } = (await file?.read(Buffer.alloc(WRITTEN.length), 0, WRITTEN.length, 0)) ?? {};
    return buffer?.toString('latin1') === WRITTEN;
  } finally {
    await file?.close();
  }
}

/** What a run writes into its folder beside its answers. */
const OWN = ['metrics.jsonl', 'parts.jsonl', 'manifest.json', 'report.json', 'recipe.yaml', 'run.lock', 'adapter', 'model', 'checkpoints'];

/** Names in a folder that a pattern may mean. */
async function entries(folder: string): Promise<string[]> {
  const names = (await ifThere(readdir(folder), folder)) ?? [];
  return names.includes('recipe.yaml') && (await isRun(folder)) ? names.filter((name) => !OWN.includes(name)) : names;
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
