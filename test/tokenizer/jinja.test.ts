/** Every kind of expression and tag against Jinja2 as transformers sets it up (test/reference/jinja.py), and the bounds of templates. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DataError } from '../../lib/errors/index.js';
import { renderTemplate } from '../../lib/tokenizer/template/render.js';

const MESSAGES = [
  { role: 'user', content: 'x' },
  { role: 'assistant', content: 'y' },
];
const render = (template: string) => renderTemplate(template, { messages: MESSAGES });

function fault(template: string): DataError {
  try {
    render(template);
  } catch (error) {
    return error as DataError;
  }
  throw new Error('it renders');
}

describe('as Jinja2', () => {
  const recorded = JSON.parse(readFileSync(join(import.meta.dirname, '../reference/jinja.json'), 'utf8')) as [string, string | null][];
  it.each(recorded)('%s', (template, expected) => {
    if (expected === null) expect(fault(template)).toMatchObject({ kind: 'data', code: 'bad_template' });
    else expect(render(template)).toBe(expected);
  });
});

describe('what is not supported is refused by name', () => {
  it.each([
    ['{{ "a" | wordwrap(3) }}', 'filter wordwrap'],
    ['{{ 1 | filesizeformat }}', 'filter filesizeformat'],
    ['{% include "x" %}', 'tag {% include %}'],
    ['{% import "x" as y %}', 'tag {% import %}'],
    ['{{ "a".encode() }}', 'method str.encode'],
    ['{{ "{:,}".format(1000) }}', "specification ','"],
    ['{{ lipsum() }}', 'function lipsum'],
    ['{{ strftime_now("%Q") }}', 'directive %Q'],
    ['{{ messages | map("upper") }}', 'generator'],
  ])('%s', (template, words) => {
    expect(fault(template).message).toContain(words);
  });
});

describe('a template that never ends, or makes too much, is ended', () => {
  it.each([
    ['{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}', 'steps'],
    ['{% for a in range(9000000000) %}{% endfor %}', 'Range too big'],
    ["{% set ns = namespace(s='xxxxxxxx') %}{% for a in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", 'characters'],
    ["{{ ('x' * 99999) * 99999 }}", 'characters'],
    ["{{ 'a' | center(999999999) }}", 'characters'],
    ["{{ '%999999999d' | format(1) }}", 'characters'],
    ['{{ 9 ** 9999 ** 9 }}', 'digits'],
    ['{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}', 'macros'],
    [`{{ ${'('.repeat(20000)}1${')'.repeat(20000)} }}`, 'deeper'],
    ['{% if 1 %}'.repeat(20000), 'deeper'],
    [`{{ ${'-'.repeat(300000)}1 }}`, ''],
    [`{{ 1${' + 1'.repeat(100000)} }}`, ''],
  ])('%.60s', (template, words) => {
    const { code, message } = fault(template);
    expect(code).toBe('bad_template');
    expect(message).toContain(words);
    expect(message).not.toMatch(/call stack|undefined \(reading|is not a function/);
  });
});
