import { describe, expect, it } from 'vitest';
import { parseJson } from '../../lib/json/index.js';
import { renderTemplate } from '../../lib/tokenizer/template/render.js';

const NOW = new Date(2026, 2, 7, 9, 5, 3);
const render = (template: string, variables: Record<string, unknown> = {}) => renderTemplate(template, variables, NOW);

/** [template, what Jinja2 3.1 as transformers sets it up makes of it, variables] */
type Case = [string, string, Record<string, unknown>?];

describe('a template renders as in Jinja2, where the library would not', () => {
  it.each<Case>([
    // strings
    ["{{ '\\n\\n x\\n'.lstrip('\\n') }}|{{ 'xxaxx'.strip('x') }}|{{ 'ab'.rstrip('b') }}", ' x\n|a|a'],
    ['{{ x | trim }}|{{ x.strip() }}', '\ufeffa|\ufeffa', { x: '\x85\x1c\ufeffa\u3000' }],
    ["{{ 'hELLO wORLD' | capitalize }}|{{ 'ab cd'.title() }}", 'Hello world|Ab Cd'],
    ["{{ 'abc'.removeprefix('a') }}|{{ 'abc'.removesuffix('c') }}|{{ 'a\nb\n'.splitlines() | length }}", 'bc|ab|2'],
    ["{{ ','.join(['a', 'b']) }}|{{ 'abab'.count('b') }}|{{ 'abc'.find('c') }}|{{ 'abc'.find('x') }}", 'a,b|2|2|-1'],
    ["{{ 'a.b.c'.rsplit('.', 1) }}|{{ 'a.b'.partition('.') | join(' ') }}", "['a.b', 'c']|a . b"],
    ['{{ x | length }}|{{ x | first }}|{{ x | list | join("-") }}|{{ x | reverse }}', '2|😀|😀-a|a😀', { x: '😀a' }],
    ["{{ 'a' < 'b' }}", 'True'],
    // None, True and undefined names
    ['{{ none }}|{{ true }}|{{ missing }}|{{ [none, true, "a\'b"] }}|{{ {"k": 1.5} }}', "None|True||[None, True, \"a'b\"]|{'k': 1.5}"],
    ["{{ none | string }}|{{ none ~ 'a' }}|{{ none | trim }}|{{ missing | upper }}|{{ missing | length }}", 'None|Nonea|None||0'],
    [
      '{{ x == none }}|{{ missing == none }}|{{ "" == false }}|{{ 0 == "" }}|{{ 1 == true }}|{{ [1] == [1] }}',
      'True|False|False|False|True|True',
      { x: null },
    ],
    ['{{ {"a": 1} == {"a": 1} }}|{{ {"a": 1} in [{"a": 1}] }}|{{ "a" not in missing }}', 'True|True|True'],
    // loops
    ['{% for i in [1, 2] %}{% if i == 1 %}{% set x = "set" %}{% endif %}{{ x }};{% endfor %}{{ x }}', 'set;;'],
    ['{% for c in "ab" %}{{ c }}-{% endfor %}{% for c in missing %}x{% else %}none{% endfor %}', 'a-b-none'],
    ['{% for i in range(5) if i != 1 %}{{ loop.index }}{{ i }}{% if i == 3 %}!{% break %}{% endif %},{% endfor %}', '10,22,33!'],
    ['{% for i in [1, 2, 3] %}{{ i }}{% if i == 2 %}{% continue %}{% endif %};{% endfor %}', '1;23;'],
    ['{% for k, v in x.items() %}{{ k }}{{ v }}{{ loop.cycle("/", "|") }}{% endfor %}', 'a1/b2|', { x: { a: 1, b: 2 } }],
    ['{% for i in [1, 2] %}{{ loop.previtem is defined }}{{ loop.last }}{% endfor %}', 'FalseFalseTrueTrue'],
    // tests and filters
    ['{{ "a" is iterable }}|{{ {} is iterable }}|{{ none is iterable }}|{{ 1 is not sequence }}', 'True|True|False|True'],
    [
      '{{ ["a ", "b"] | map("trim") | join("") }}|{{ [1, 2, 3] | select("odd") | list }}|{{ ["x", "y"] | reject("equalto", "x") | join }}',
      'ab|[1, 3]|y',
    ],
    ['{{ "ab" | selectattr("type", "equalto", "image") | list | length }}', '0'],
    // line ends, dates
    ['a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc', 'a\nb\nc'],
    ['{{ strftime_now("%d %b %Y, %A %B %-d %H:%M:%S %j %y %%") }}', '07 Mar 2026, Saturday March 7 09:05:03 066 26 %'],
  ])('%s', (template, expected, variables) => {
    expect(render(template, variables)).toBe(expected);
  });
});

describe('values of files are printed as Python prints them', () => {
  // Python 3.12 with Jinja2 3.1: render(template, x=json.loads(JSON))
  const JSON_TEXT = '{"10": 1.0, "2": [1e-5, 1E16, 0.10], "id": 12345678901234567890, "neg": -0.0}';
  it.each<Case>([
    ['{{ x | tojson }}', '{"10": 1.0, "2": [1e-05, 1e+16, 0.1], "id": 12345678901234567890, "neg": -0.0}'],
    ['{{ x }}', "{'10': 1.0, '2': [1e-05, 1e+16, 0.1], 'id': 12345678901234567890, 'neg': -0.0}"],
    ['{{ x.id }}|{{ x["10"] }}|{% for k, v in x.items() %}{{ k }},{% endfor %}', '12345678901234567890|1.0|10,2,id,neg,'],
    ['{{ x["2"] | tojson(indent=2) }}', '[\n  1e-05,\n  1e+16,\n  0.1\n]'],
    ['{{ x | tojson(sort_keys=true, separators=(",", ":")) }}', '{"10":1.0,"2":[1e-05,1e+16,0.1],"id":12345678901234567890,"neg":-0.0}'],
    ['{{ {"é": [[], {}]} | tojson(ensure_ascii=true, indent=1) }}', '{\n "\\u00e9": [\n  [],\n  {}\n ]\n}'],
  ])('%s', (template, expected) => {
    expect(render(template, { x: parseJson(JSON_TEXT) })).toBe(expected);
  });
});

describe('a template fails as in Jinja2', () => {
  it.each([
    ["{{ 'a' + none }}", /\+: 'str' and 'NoneType'/],
    ["{{ 'a' + {} }}", /\+: 'str' and 'dict'/],
    ["{{ 1 + 'a' }}", /\+: 'int' and 'str'/],
    ['{{ missing.name }}', /'missing' is undefined/],
    ['{{ missing.a.b }}', /'missing' is undefined/],
    ['{{ missing | tojson }}', /not JSON serializable/],
    ['{% for i in 5 %}{% endfor %}', /'int' object is not iterable/],
    ['{% if %}', /chat template fails/],
    ['{% for %}', /chat template fails/],
  ])('%s', (template, message) => {
    expect(() => render(template)).toThrowError(
      expect.objectContaining({ code: 'bad_template', kind: 'data', message: expect.stringMatching(message) }),
    );
  });

  it('with the words of raise_exception', () => {
    const refused = expect.objectContaining({
      code: 'refused_chat',
      kind: 'data',
      message: expect.stringContaining('roles must alternate'),
    });
    expect(() => render("{{ raise_exception('roles must alternate') }}")).toThrowError(refused);
  });
});
