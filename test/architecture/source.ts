// The tree as text: which files there are, and what each imports or includes.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** From the package root, with forward slashes. */
  path: string;
  text: string;
}

/** What is not ours, or is made by a build or a run. */
const SKIPPED = new Set(['node_modules', 'build', 'dist', 'runs', 'coverage', '.git', '.cache']);

/** Recorded numbers and models are data, not text that someone reads. */
const LARGEST_TEXT = 2 ** 20;

export function files(folder: string, suffixes?: readonly string[]): SourceFile[] {
  return walk(join(root, folder))
    .map((path) => ({ path: relative(root, path).replaceAll('\\', '/') }))
    .filter(({ path }) => suffixes === undefined || suffixes.some((suffix) => path.endsWith(suffix)))
    .map(({ path }) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

export const cppSuffixes = ['.h', '.cpp', '.cu', '.cuh'];
export const scriptSuffixes = ['.ts', '.mjs', '.js'];

function walk(folder: string): string[] {
  return entries(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : walk(path);
    return entry.isFile() && !SKIPPED.has(entry.name) && statSync(path).size <= LARGEST_TEXT ? [path] : [];
  });
}

function entries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export interface Import {
  specifier: string;
  /** Gone after compilation. */
  typeOnly: boolean;
}

const IMPORT = /(?:^|[\s;])(?:import|export)\s+(?:(type\s)?([^'";]*?)\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

export function imports({ text }: SourceFile): Import[] {
  return [...withoutComments(text).matchAll(IMPORT)].map(([, type, names = '', specifier, dynamic]) => ({
    specifier: specifier ?? dynamic ?? '',
    typeOnly: type !== undefined || (dynamic === undefined && everyNameIsType(names)),
  }));
}

function everyNameIsType(names: string): boolean {
  const listed = names.match(/^\s*\{([^}]*)\}\s*$/)?.[1];
  const parts = listed?.split(',').filter((part) => part.trim() !== '') ?? [];
  return parts.length > 0 && parts.every((part) => part.trim().startsWith('type '));
}

/** Comments that stand on lines of their own, or at the end of a line; good enough for imports and statements, not for strings. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

export interface Include {
  path: string;
  /** `#include <…>`. */
  system: boolean;
}

export function includes({ text }: SourceFile): Include[] {
  return [...text.matchAll(/^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/gm)].map(([, mark, path]) => ({
    path: path ?? '',
    system: mark === '<',
  }));
}
