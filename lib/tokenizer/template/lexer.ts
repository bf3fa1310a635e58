/** Jinja2's lexer, with trim_blocks and lstrip_blocks: a template as text, tags and the tokens inside them. */
import { TemplateFault } from './values.js';

export interface Token {
  type: 'data' | 'blockBegin' | 'blockEnd' | 'printBegin' | 'printEnd' | 'name' | 'string' | 'integer' | 'float' | 'operator' | 'end';
  value: string;
}

const NUMBER =
  /0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?[eE][+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)|[1-9](?:_?\d)*|0(?:_?0)*/y;
const NAME = /[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{M}\p{Nd}_]*/uy;
const STRING = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/y;
const OPERATOR = /\*\*|\/\/|==|!=|>=|<=|[-+*/%~[\](){}<>=.:|,;]/y;

const matched = (pattern: RegExp, text: string, at: number): string => {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
};

/** @throws TemplateFault */
export function tokenize(source: string): Token[] {
  const text = source.replace(/\r\n|\r/g, '\n').replace(/\n$/, '');
  const tokens: Token[] = [];
  let [at, lineStarts] = [0, true];
  const behind = (end: number, sign: string, trims: boolean) => {
    let next = end;
    if (sign === '-') next = end + matched(/\s*/y, text, end).length;
    else if (sign !== '+' && trims && text[end] === '\n') next++;
    lineStarts = text[next - 1] === '\n';
    return next;
  };
  while (at < text.length) {
    const begin = text.slice(at).search(/\{[{%#]/);
    const open = begin < 0 ? text.length : at + begin;
    const kind = text.slice(open, open + 2);
    const sign = /[-+]/.test(text[open + 2] ?? '') && kind !== '' ? text[open + 2]! : '';
    data(tokens, text.slice(at, open), kind, sign, lineStarts);
    if (open === text.length) break;
    const inside = open + 2 + sign.length;
    if (kind === '{#') {
      const close = text.indexOf('#}', inside);
      if (close < 0) throw new TemplateFault('a comment {# is never closed');
      at = behind(close + 2, text[close - 1] ?? '', true);
      continue;
    }
    const raw = kind === '{%' ? matched(/\s*raw\s*[-+]?%\}/y, text, inside) : '';
    if (raw !== '') {
      const rest = /\{%([-+]?)\s*endraw\s*([-+]?)%\}/g;
      const start = behind(inside + raw.length, raw.at(-3) ?? '', true);
      rest.lastIndex = start;
      const ends = rest.exec(text);
      if (!ends) throw new TemplateFault('{% raw %} is never closed');
      data(tokens, text.slice(start, ends.index), '{%', ends[1]!, lineStarts);
      at = behind(ends.index + ends[0].length, ends[2]!, true);
      continue;
    }
    tokens.push({ type: kind === '{%' ? 'blockBegin' : 'printBegin', value: kind });
    const end = tag(tokens, text, inside, kind === '{%' ? '%}' : '}}');
    at = behind(end.at, end.sign, kind === '{%');
  }
  return [...tokens, { type: 'end', value: '' }];
}

/** The text before a tag, cut as the tag's sign and lstrip_blocks say. */
function data(tokens: Token[], text: string, kind: string, sign: string, lineStarts: boolean): void {
  let value = text;
  if (sign === '-') value = text.trimEnd();
  else if (sign !== '+' && kind !== '{{' && kind !== '') {
    const line = text.lastIndexOf('\n') + 1;
    if ((line > 0 || lineStarts) && /^\s*$/.test(text.slice(line))) value = text.slice(0, line);
  }
  if (value !== '') tokens.push({ type: 'data', value });
}

const CLOSING: Record<string, string> = { '(': ')', '[': ']', '{': '}' };

/** Tokens up to the end of a tag. */
function tag(tokens: Token[], text: string, from: number, close: string): { at: number; sign: string } {
  const open: string[] = [];
  let at = from;
  for (;;) {
    at += matched(/\s*/y, text, at).length;
    if (at >= text.length) throw new TemplateFault(`a tag is never closed by ${close}`);
    const sign = /[-+]/.test(text[at]!) && text.startsWith(close, at + 1) && (close === '%}' || text[at] === '-') ? text[at]! : '';
    if (open.length === 0 && text.startsWith(close, at + sign.length)) {
      tokens.push({ type: close === '%}' ? 'blockEnd' : 'printEnd', value: close });
      return { at: at + sign.length + 2, sign };
    }
    const token = tokenAt(text, at);
    if (token.type === 'operator' && CLOSING[token.value]) open.push(CLOSING[token.value]!);
    else if (token.type === 'operator' && ')]}'.includes(token.value) && open.pop() !== token.value)
      throw new TemplateFault(`unexpected '${token.value}'`);
    tokens.push(token.type === 'string' ? { ...token, value: unescaped(token.value.slice(1, -1)) } : token);
    at += token.value.length;
  }
}

function tokenAt(text: string, at: number): Token {
  const number = matched(NUMBER, text, at);
  if (number !== '') return { type: /^0[bBoOxX]/.test(number) || !/[.eE]/.test(number) ? 'integer' : 'float', value: number };
  for (const [type, pattern] of [
    ['name', NAME],
    ['string', STRING],
    ['operator', OPERATOR],
  ] as const) {
    const value = matched(pattern, text, at);
    if (value !== '') return { type, value };
  }
  throw new TemplateFault(`unexpected character ${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))}`);
}

const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** Python's escapes in a string; what is none stays as it is. */
function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g,
    (whole, x, u, long, octal, one) => {
      const code = x ?? u ?? long;
      if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      return ESCAPES[one as string] ?? whole;
    },
  );
}
