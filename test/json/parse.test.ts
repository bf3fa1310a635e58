import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Float, floatFrom, JsonFault, jsonText, keysOf, objectFrom, parseJson, plainValue, pythonFloat } from '../../lib/json/index.js';

interface Recorded {
  numbers: { text: string; str: string; dumps: string; type: 'int' | 'float' }[];
  floats: [hex: string, repr: string][];
}
const recorded = JSON.parse(readFileSync(new URL('../reference/json_values.json', import.meta.url), 'utf8')) as Recorded;

/** As Python's `str` prints a value that was read. */
const printed = (value: unknown) =>
  value instanceof Float ? value.python() : typeof value === 'number' && !Number.isInteger(value) ? pythonFloat(value) : String(value);

describe('numbers', () => {
  it.each(recorded.numbers)('$text is what Python reads', ({ text, str, type }) => {
    const value = parseJson(` ${text} `);
    expect(printed(value)).toBe(str);
    const isWhole = typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
    expect(isWhole ? 'int' : 'float').toBe(type);
  });

  it('keep their text', () => {
    const text = '[1.0,1e-05,0.10,1E16,12345678901234567890,-0.0,0.5,7]';
    expect(jsonText(parseJson(text))).toBe(text);
  });

  it('are written as Python writes floats', () => {
    const wrong = recorded.floats.filter(([hex, repr]) => pythonFloat(Buffer.from(hex, 'hex').readDoubleLE()) !== repr);
    expect(wrong).toEqual([]);
    expect(recorded.floats.length).toBeGreaterThan(300);
    expect([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(pythonFloat)).toEqual(['nan', 'inf', '-inf']);
  });

  it('of columns of floats are floats', () => {
    expect([1, 0.5, 1e-5, 1e16].map(floatFrom).map(printed)).toEqual(['1.0', '0.5', '1e-05', '1e+16']);
  });

  it('are plain numbers for functions of users', () => {
    const value = plainValue(parseJson('{"a": [1.0, {"b": 1e-05}], "c": 12345678901234567890}'));
    expect(value).toEqual({ a: [1, { b: 0.00001 }], c: 12345678901234567890n });
  });
});

describe('keys', () => {
  it('keep the order of the text, copies too', () => {
    const value = parseJson('{"b": 1, "10": 2, "2": {"1": 0, "0": 0}, "a": 3}') as Record<string, unknown>;
    expect(keysOf(value)).toEqual(['b', '10', '2', 'a']);
    expect(keysOf({ ...value, extra: 1 })).toEqual(['b', '10', '2', 'a', 'extra']);
    expect(jsonText(value)).toBe('{"b":1,"10":2,"2":{"1":0,"0":0},"a":3}');
    const { b: _b, ...rest } = value;
    expect(keysOf(rest)).toEqual(['10', '2', 'a']);
  });

  it('that come twice: the last value counts, and it is told', () => {
    const told: string[] = [];
    const value = parseJson('{"a": 1, "b": 2, "a": 3, "c": {"b": 1}}', { repeated: (key) => told.push(key) });
    expect([jsonText(value), told]).toEqual(['{"a":3,"b":2,"c":{"b":1}}', ['a']]);
  });

  it('named __proto__ are keys like others', () => {
    const value = parseJson('{"__proto__": {"x": 1}, "constructor": 2}') as Record<string, unknown>;
    expect([Object.keys(value), (value as { x?: unknown }).x]).toEqual([['__proto__', 'constructor'], undefined]);
    expect(jsonText(objectFrom([['__proto__', 1]]))).toBe('{"__proto__":1}');
  });
});

describe('faults', () => {
  const cases: [what: string, text: string, message: string, at: number][] = [
    ['NaN', '{"a": NaN}', 'NaN is no number of JSON', 6],
    ['infinity', '[1, -Infinity]', '-Infinity is no number of JSON', 4],
    ["Python's words", '[None]', 'found None (JSON has null)', 1],
    ['single quotes', "{'a': 1}", 'double quotes', 1],
    ['a number beyond all', '[1e400]', '1e400 is larger', 1],
    ['too many digits', `[${'9'.repeat(5000)}]`, '5000 digits', 1],
    ['a leading zero', '[01]', 'expected a number, found 01', 1],
    ['a plus', '[+1]', 'expected a value, found +1', 1],
    ['a lone point', '[1.]', 'expected a number, found 1', 1],
    ['an open text', '{"a": "b', 'never closed', 6],
    ['a bare line end', '["a\nb"]', 'control character (U+000A)', 3],
    ['a bad escape', '["\\\\ \\x"]', 'no escape of JSON', 5],
    ['half an escape', '["\\u12"]', 'no escape of JSON', 2],
    ['a comma too many', '[1,]', 'expected a value, found "]"', 3],
    ['a missing comma', '{"a": 1 "b": 2}', 'expected a comma or }', 8],
    ['a missing colon', '{"a" 1}', 'expected a colon behind the key "a"', 5],
    ['an early end', '{"a": [1', 'expected a comma or ], found the end', 8],
    ['something behind', '{} {}', 'expected nothing more', 3],
    ['nothing', ' ', 'expected a value, found the end', 1],
  ];
  it.each(cases)('%s', (_, text, message, at) => {
    const fault = thrown(() => parseJson(text));
    expect(fault.message).toContain(message);
    expect(fault.at).toBe(at);
  });

  it('of depth come before the stack ends', () => {
    for (const open of ['[', '{"a":']) expect(thrown(() => parseJson(open.repeat(200_000))).message).toContain('deeper than 500');
  });
});

describe('any text', () => {
  it("that JavaScript's own reader takes gives the same values", () => {
    const same = fc.property(fc.jsonValue({ maxDepth: 4 }), fc.nat(3), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(JSON.parse(jsonText(parseJson(text)))).toEqual(JSON.parse(text));
    });
    fc.assert(same, { numRuns: 300 });
  });

  it("is refused where JavaScript's own reader refuses it, and never otherwise fails", () => {
    const alphabet = fc.constantFrom(...'[]{}:,"\\ \n01-.eEnulltrue\u2028é');
    const agrees = fc.property(fc.array(alphabet, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      expect(outcome(() => parseJson(text))).toBe(outcome(() => JSON.parse(text)));
    });
    fc.assert(agrees, { numRuns: 3000 });
  });
});

function thrown(run: () => unknown): JsonFault {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(JsonFault);
    return error as JsonFault;
  }
  throw new Error('expected a fault');
}

function outcome(run: () => unknown): 'value' | 'fault' {
  try {
    run();
    return 'value';
  } catch (error) {
    expect(error instanceof JsonFault || error instanceof SyntaxError).toBe(true);
    return 'fault';
  }
}
