// README, help, schema and package.json say what there is: commands, methods, options, recipes and scripts, and nothing that is not there yet.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseCommand } from '../../lib/cli/parse.js';
import { commands } from '../../lib/cli/program.js';
import { METHOD_NAMES } from '../../lib/methods/index.js';
import { parseRecipe, readRecipe, recipeJsonSchema, recipeKeys } from '../../lib/recipe/index.js';

const root = resolve(import.meta.dirname, '../..');
const text = (name: string) => readFileSync(join(root, name), 'utf8');
const readme = text('README.md');
const { scripts, description } = JSON.parse(text('package.json')) as { scripts: Record<string, string>; description: string };

/** Text between a heading and the next one. */
const section = (heading: string) => readme.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
/** The first cell of each row of a section's table. */
const firstCells = (heading: string) => [...section(heading).matchAll(/^\| (`.+?) \|/gm)].map(([, cell]) => cell as string);
/** Blocks of code in a language; '': those of a shell, each line whole. */
const blocks = (language: string) =>
  [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].flatMap(([, named, code]) => (named === language ? [code as string] : []));
const codeLines = blocks('').flatMap((code) => code.replaceAll('\\\n', ' ').split('\n'));

describe('the README', () => {
  it('has a row for every command, and no other', () => {
    expect(firstCells('Commands').map((cell) => /`([a-z-]+)/.exec(cell)?.[1])).toEqual(commands.map(({ name }) => name));
  });

  it('has every method in its table, but for the stage that trains nothing', () => {
    const named = firstCells('Methods').flatMap((cell) => [...cell.matchAll(/`([a-z]+)`/g)].map(([, name]) => name));
    expect(named.sort()).toEqual(METHOD_NAMES.filter((name) => name !== 'sample').sort());
    expect(section('Methods')).toContain('`sample`');
  });

  it('has recipes that are ones', () => {
    expect(blocks('yaml').length).toBeGreaterThan(0);
    for (const block of blocks('yaml')) expect(() => parseRecipe(parse(block))).not.toThrow();
  });

  const attune = codeLines.filter((line) => /^(npx attune|node bin\/attune\.js) /.test(line));
  it('prints commands', () => expect(attune.length).toBeGreaterThanOrEqual(3));

  it.each(attune)('prints a command that is one: %s', (line) => {
    const [name, ...rest] = line.replace(/^(npx attune|node bin\/attune\.js) /, '').split(/\s+/);
    const command = commands.find((one) => one.name === name);
    expect(command).toBeDefined();
    expect(parseCommand(command!, rest)).toHaveProperty('values');
    const recipe = rest.find((word) => word.endsWith('.yaml'));
    if (recipe === undefined) return;
    const set = rest.filter((_, n) => rest[n - 1] === '--set');
    expect(() => readRecipe(join(root, recipe), { set })).not.toThrow();
  });

  it('prints scripts and links that are there', () => {
    const used = [...readme.matchAll(/npm run ([a-z:]+)|npm (test)\b/g)].map(([, run, test]) => run ?? test);
    expect(used.length).toBeGreaterThan(3);
    for (const name of used) expect(Object.keys(scripts)).toContain(name);
    for (const [, path] of readme.matchAll(/\]\(([^)#]+)\)/g)) expect(existsSync(join(root, path as string)), path).toBe(true);
  });
});

describe('nothing is promised that is not there:', () => {
  const helps = commands.map((command) => [`help of ${command.name}`, JSON.stringify(parseCommand(command, ['--help']))]);
  const claims: [string, string][] = [
    ...(helps as [string, string][]),
    ['keys of a recipe', JSON.stringify(recipeKeys())],
    ['the JSON Schema', JSON.stringify(recipeJsonSchema()).replaceAll(/"pattern":"[^"]*"/g, '')],
    ['package.json', description],
  ];

  it.each(claims)('%s names no GGUF, no CUDA, no GPU', (_what, said) => expect(said).not.toMatch(/gguf|cuda|nvidia|\bgpu/i));

  it('the README and the list of changes speak of them as missing', () => {
    for (const sentence of [...readme.split(/(?<=\.)\s/), ...text('CHANGELOG.md').split(/(?<=\.)\s/)])
      if (/gguf|\bgpu|nvidia|cuda/i.test(sentence)) expect(sentence).toMatch(/not yet|\bno\b/i);
  });
});
