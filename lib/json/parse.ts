/** JSON text as values that lose nothing: numbers as `numbers.ts` has them, keys in the order of the text. */
import { Float, MOST_DIGITS, numberFrom } from './numbers.js';
import { objectFrom } from './objects.js';

/** Lists and objects within one another: Python's own reader ends near a thousand. */
const DEEPEST = 500;

/** What is wrong, and where: an index into the text in UTF-16 units. */
export class JsonFault extends Error {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message);
  }
}

export interface ParseOptions {
  /** Told of each key that comes twice in one object; the last value counts, as in Python. */
  repeated?: (key: string) => void;
  /** Takes the words NaN, Infinity and -Infinity for floats, as `jsonText` writes them. Default: a fault that names them. */
  notFinite?: boolean;
}

/** @throws JsonFault */
export function parseJson(text: string, options: ParseOptions = {}): unknown {
  return new Parser(text, options).whole();
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[\p{L}\d_+-]+/uy;
const WORDS = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);
/** Words of other languages, and what JSON has for them. */
const FOREIGN: Readonly<Record<string, string>> = { True: 'true', False: 'false', None: 'null', undefined: 'null' };
const NO_NUMBER = /^[+-]?(?:nan|inf(?:inity)?)$/i;

class Parser {
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly options: ParseOptions,
  ) {}

  whole(): unknown {
    const value = this.#value(0);
    if (this.#next() !== '') throw this.#fault('nothing more');
    return value;
  }

  /** The next character that is no white space; '' at the end. */
  #next(): string {
    for (;;) {
      const code = this.text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return this.text.charAt(this.#at);
      this.#at++;
    }
  }

  #value(depth: number): unknown {
    if (depth > DEEPEST) throw new JsonFault(`lists and objects lie deeper than ${DEEPEST} within one another`, this.#at);
    const first = this.#next();
    if (first === '"') return this.#string();
    if (first === '{') return objectFrom(this.#members(depth));
    if (first === '[') return this.#items(depth);
    return /[-\d]/.test(first) ? this.#number() : this.#word('a value');
  }

  #members(depth: number): [string, unknown][] {
    const members: [string, unknown][] = [];
    const seen = new Set<string>();
    this.#at++;
    if (this.#took('}')) return members;
    for (;;) {
      if (this.#next() !== '"') throw this.#fault('a key in double quotes');
      const key = this.#string();
      if (!this.#took(':')) throw this.#fault(`a colon behind the key ${JSON.stringify(key.slice(0, 40))}`);
      members.push([key, this.#value(depth + 1)]);
      if (seen.has(key)) this.options.repeated?.(key);
      seen.add(key);
      if (this.#took('}')) return members;
      if (!this.#took(',')) throw this.#fault('a comma or }');
    }
  }

  #items(depth: number): unknown[] {
    const items: unknown[] = [];
    this.#at++;
    if (this.#took(']')) return items;
    for (;;) {
      items.push(this.#value(depth + 1));
      if (this.#took(']')) return items;
      if (!this.#took(',')) throw this.#fault('a comma or ]');
    }
  }

  #took(character: string): boolean {
    if (this.#next() !== character) return false;
    this.#at++;
    return true;
  }

  #string(): string {
    const start = this.#at;
    const end = stringEnd(this.text, start);
    if (end < 0) throw new JsonFault('a text is opened here and never closed', start);
    this.#at = end + 1;
    const source = this.text.slice(start, end + 1);
    try {
      return JSON.parse(source) as string;
    } catch {
      throw stringFault(source, start);
    }
  }

  #number(): unknown {
    const source = this.#match(NUMBER);
    // Digits that go on are a second number, as in 01 or 1.2.3: said of the whole word.
    if (source === '' || /[\p{L}\d_.+-]/u.test(this.text.charAt(this.#at + source.length))) return this.#word('a number');
    const value = numberFrom(source);
    if (value === undefined) throw new JsonFault(tooLarge(source), this.#at);
    this.#at += source.length;
    return value;
  }

  #word(expected: string): unknown {
    const word = this.#match(WORD);
    const isFloat = this.options.notFinite === true && /^(?:NaN|-?Infinity)$/.test(word);
    if (!isFloat && !WORDS.has(word)) throw this.#fault(expected);
    this.#at += word.length;
    return isFloat ? new Float(Number(word), word) : WORDS.get(word);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.text)?.[0] ?? '';
  }

  #fault(expected: string): JsonFault {
    const found = this.#next();
    const word = this.#match(WORD).slice(0, 40);
    if (NO_NUMBER.test(word)) return new JsonFault(`${word} is no number of JSON; write null, or leave the key out`, this.#at);
    const meant = Object.hasOwn(FOREIGN, word) ? ` (JSON has ${FOREIGN[word]})` : found === "'" ? ' (texts stand in double quotes)' : '';
    const what = found === '' ? 'the end' : word || JSON.stringify(found);
    return new JsonFault(`expected ${expected}, found ${what}${meant}`, this.#at);
  }
}

/** Index of the quote that closes the text which opens at `start`; -1 where none does. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return end;
  }
  return -1;
}

/** What V8 finds wrong with a text in quotes: a bare control character, or an escape that is none. */
function stringFault(source: string, start: number): JsonFault {
  const control = controlAt(source);
  const wrong = /\\(?:u(?![\da-fA-F]{4})|[^"\\/bfnrtu])/.exec(source.replace(/\\\\/g, '__'));
  if (control < 0) return new JsonFault(`${JSON.stringify(wrong?.[0] ?? '\\')} is no escape of JSON`, start + (wrong?.index ?? 0));
  const code = source.charCodeAt(control).toString(16).padStart(4, '0');
  return new JsonFault(`a control character (U+${code.toUpperCase()}) within a text; write it as an escape, \\u${code}`, start + control);
}

/** Index of the first control character that JSON wants escaped; -1 where there is none. */
function controlAt(source: string): number {
  for (let at = 0; at < source.length; at++) if (source.charCodeAt(at) < 0x20) return at;
  return -1;
}

const tooLarge = (source: string) =>
  source.length > MOST_DIGITS
    ? `a number of ${source.length} digits; at most ${MOST_DIGITS} are read`
    : `${source.slice(0, 40)} is larger than any number that can be held`;
