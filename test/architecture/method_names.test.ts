// A method is known by its name in its own file, in the list of methods, and nowhere else in lib: what a run needs to know of it, the method says.
import { describe, expect, it } from 'vitest';
import { METHOD_NAMES } from '../../lib/methods/index.js';
import { files, scriptSuffixes } from './source.js';

const QUOTED = new RegExp(`(['"\`])(${METHOD_NAMES.join('|')})\\1`, 'g');

/** Words that happen to be a method's name too: a figure of a step, a kernel. */
const OTHER_WORDS = new Map([
  ['lib/cli/event_words.ts', ['reward']],
  ['lib/kernels/sample.ts', ['sample']],
]);

const isListed = (path: string) => /^lib\/methods\//.test(path);

/** Names of methods that a text has in quotes, comments apart. */
function named(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
  return [...code.matchAll(QUOTED)].map(([, , name]) => name as string);
}

describe('the name of a method', () => {
  it('stands nowhere in lib but with the methods', () => {
    const found = files('lib', scriptSuffixes)
      .filter(({ path }) => !isListed(path))
      .flatMap(({ path, text }) => named(text).map((name) => ({ path, name })))
      .filter(({ path, name }) => !OTHER_WORDS.get(path)?.includes(name));
    expect(found).toEqual([]);
  });

  it('is found by a rule that sees one', () => {
    expect(named("if (method.name === 'dpo') return;")).toEqual(['dpo']);
    expect(named("/* 'dpo' */ // 'kto'\nconst a = 'adopt';")).toEqual([]);
  });
});
