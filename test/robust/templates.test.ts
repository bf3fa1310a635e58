/** Chat templates that are bent: rendered, or refused; no loop runs on, and no error of JavaScript comes through. */
import { describe, expect, it } from 'vitest';
import { renderChat } from '../../lib/tokenizer/chat.js';
import type { Random } from './random.js';
import { fault, inputs, PATIENCE, trial } from './trial.js';

const TEMPLATES = [
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
  "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('x') }}" +
    "{% endif %}{% if message.role == 'user' %}{{ '[INST] ' + message.content.strip() + ' [/INST]' }}{% else %}{% generation %}" +
    '{{ message.content | trim }}{% endgeneration %}{{ eos_token }}{% endif %}{% endfor %}',
  '{%- set ns = namespace(i=0) -%}{%- for m in messages[::-1] -%}{% set ns.i = ns.i + 1 %}{{ m.role|upper }}:' +
    "{{ m.content|replace('a','b')|length }}{%- endfor -%}{% macro f(x, y=2) %}{{ x ~ y }}{% endmacro %}{{ f('q') }}" +
    "{{ messages | map(attribute='role') | join(',') }}{{ [1,2,3]|tojson }}{{ range(3)|list }}{{ strftime_now('%Y') }}",
  '{% for a in range(99) %}{% for b in range(99) %}{% for m in messages %}{{ m.content }}{% endfor %}{% endfor %}{% endfor %}',
];
const WORDS = [
  ...['{{', '}}', '{%', '%}', '{#', '#}', '-', '|', '(', ')', '[', ']', '.', '~', '+', '*', '//', '%', '**', "'", '"', '::'],
  ...[
    'for',
    'endfor',
    'if',
    'endif',
    'messages',
    'loop',
    'set',
    'in',
    'not',
    'is',
    'none',
    'macro',
    'call',
    'filter',
    'break',
    'recursive',
  ],
  ...['range(9)', 'range(999999999)', "'x' * 999999", 'tojson', 'join', 'constructor', '__proto__', '__class__', 'namespace()', 'int'],
  ...['length', '[::0]', '[::-1]', 'format', "'%s'", "'%999999999d'", 'center(99999999)', '999999999', 'indent(99999999)', 'slice(0)'],
];
const CHAT = [
  { role: 'user', content: 'hello a' },
  { role: 'assistant', content: 'ok a' },
];
const render = (template: string) => renderChat(template, CHAT, { specialTokens: { bos_token: '<s>', eos_token: '</s>' } });

function bent(template: string, r: Random): string {
  const [at, word] = [r.below(template.length), r.pick(WORDS)];
  const head = template.slice(0, at);
  return r.pick([
    head + word + template.slice(at),
    head + template.slice(at + 1 + r.below(10)),
    head + word + template.slice(at + word.length),
  ]);
}

/** Loops without end and strings without end, which once hung or filled the process. */
const ENDLESS: Record<string, string> = {
  nested: '{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}',
  range: '{% for a in range(9000000000) %}{% endfor %}',
  double: "{% set ns = namespace(s='xxxxxxxx') %}{% for a in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
  times: "{{ 'x' * 999999999 }}{{ ('x' * 99999) * 99999 }}",
  recursion: '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}',
  deep: `{{ ${'('.repeat(20000)}1${')'.repeat(20000)} }}`,
  format: "{{ '%999999999d' | format(1) }}",
  center: "{{ 'a'.ljust(999999999) }}{{ 'a'|center(999999999) }}{{ 'a'|indent(999999999) }}",
};

describe('a chat template', () => {
  it('that is bent is rendered or refused', { timeout: PATIENCE }, async () => {
    const count = inputs(300);
    const { accepted, refused } = await trial('template', count, (r) => {
      let template = r.pick(TEMPLATES);
      for (let k = 1 + r.below(4); k > 0; k--) template = bent(template, r);
      return () => render(template);
    });
    if (count < 300) return;
    expect(accepted).toBeGreaterThan(0);
    expect(Object.keys(refused).length).toBeGreaterThan(0);
  });

  it('without an end is refused', { timeout: PATIENCE }, async () => {
    for (const [name, template] of Object.entries(ENDLESS))
      await trial(`endless-${name}`, 1, () => () => {
        try {
          render(template);
        } catch (error) {
          expect(fault(error), name).toBeUndefined();
        }
      });
  });
});
