/**
 * Methods of Python's str, list, tuple and dict. What changes its object is forbidden by transformers' sandbox.
 * Long because: the tables list every method, and most are one line.
 */
import { type Bound, bind } from './arguments.js';
import { formatted, padded } from './format.js';
import {
  bounded,
  Callable,
  Dict,
  equals,
  Items,
  itemsOf,
  pointsOf,
  present,
  repr,
  str,
  TemplateFault,
  Tuple,
  textOf,
  typeName,
  type Value,
} from './values.js';

type Method<T> = readonly [names: readonly string[], run: (self: T, given: Bound) => Value];

/** White space as Python has it: JavaScript's, without the byte order mark, and five control characters. */
function isSpace(one: string): boolean {
  const code = one.charCodeAt(0);
  return code === 0x85 || (code >= 0x1c && code <= 0x1f) || (/\s/.test(one) && one !== '\ufeff');
}

export function stripped(text: string, chars: Value, left: boolean, right: boolean): string {
  const points = [...text];
  const set = chars === null ? undefined : [...str(chars)];
  const goes = (one: string | undefined) => one !== undefined && (set ? set.includes(one) : isSpace(one));
  let [from, to] = [0, points.length];
  while (left && from < to && goes(points[from])) from++;
  while (right && to > from && goes(points[to - 1])) to--;
  return points.slice(from, to).join('');
}

/** Words between white space, at most `most` cuts, from either side. */
function words(text: string, most: number, fromRight: boolean): Value[] {
  const found: string[] = [];
  let rest = stripped(text, null, true, true);
  while (rest !== '') {
    const points = [...rest];
    const at = fromRight ? points.findLastIndex(isSpace) : points.findIndex(isSpace);
    if (at < 0 || (most >= 0 && found.length >= most)) {
      found.push(rest);
      break;
    }
    found.push((fromRight ? points.slice(at + 1) : points.slice(0, at)).join(''));
    rest = fromRight ? stripped(points.slice(0, at).join(''), null, false, true) : stripped(points.slice(at).join(''), null, true, false);
  }
  return fromRight ? found.reverse() : found;
}

function split(text: string, given: Bound, fromRight: boolean): Value {
  const most = given.whole('maxsplit', -1);
  const separator = given.value('sep', null);
  if (separator === null) return words(text, most, fromRight);
  const mark = given.text('sep');
  if (mark === '') throw new TemplateFault('empty separator');
  const parts = text.split(mark);
  if (most < 0 || parts.length <= most + 1) return parts;
  if (!fromRight) return [...parts.slice(0, most), parts.slice(most).join(mark)];
  const kept = parts.length - most;
  return [parts.slice(0, kept).join(mark), ...parts.slice(kept)];
}

/** What ends a line for Python, beside \r\n. */
const ENDS = ['\n', '\r', '\v', '\f', '\u001c', '\u001d', '\u001e', '\u0085', '\u2028', '\u2029'].join('');
const LINE = new RegExp(`\r\n|[${ENDS}]`, 'g');

function lines(text: string, keep: boolean): string[] {
  const found: string[] = [];
  let at = 0;
  for (const { 0: end, index } of text.matchAll(LINE)) {
    found.push(text.slice(at, index + (keep ? end.length : 0)));
    at = index + end.length;
  }
  return at < text.length ? [...found, text.slice(at)] : found;
}

/** Index of a part in characters, -1 where it is not found; `start` and `end` as slices have them. */
function place(text: string, given: Bound, fromRight: boolean): number {
  const points = pointsOf(text);
  const edge = (name: string, otherwise: number) => {
    const at = given.value(name, null) === null ? otherwise : given.whole(name);
    return Math.min(Math.max(at < 0 ? at + points.length : at, 0), points.length);
  };
  const [start, end] = [edge('start', 0), edge('end', points.length)];
  const within = Array.prototype.slice.call(points, start, end).join('');
  const part = given.text('sub');
  const at = fromRight ? within.lastIndexOf(part) : within.indexOf(part);
  return at < 0 ? -1 : start + pointsOf(within.slice(0, at)).length;
}

function foundAt(text: string, given: Bound, fromRight: boolean): number {
  const at = place(text, given, fromRight);
  if (at < 0) throw new TemplateFault('substring not found');
  return at;
}

function partition(text: string, given: Bound, fromRight: boolean): Value {
  const mark = given.text('sep');
  if (mark === '') throw new TemplateFault('empty separator');
  const at = fromRight ? text.lastIndexOf(mark) : text.indexOf(mark);
  if (at < 0) return new Tuple(fromRight ? ['', '', text] : [text, '', '']);
  return new Tuple([text.slice(0, at), mark, text.slice(at + mark.length)]);
}

export function replaced(text: string, from: string, to: string, most: number): string {
  const parts = from === '' ? ['', ...text, ''] : text.split(from);
  const cuts = most < 0 ? parts.length - 1 : Math.min(most, parts.length - 1);
  bounded(text.length + cuts * to.length);
  return parts.map((part, i) => (i === parts.length - 1 ? part : part + (i < cuts ? to : from))).join('');
}

function begins(text: string, given: Bound, test: (text: string, part: string) => boolean): boolean {
  if (given.has('start') || given.has('end')) throw new TemplateFault('startswith and endswith with bounds are not supported');
  const wanted = given.value('prefix');
  const all = wanted instanceof Tuple ? wanted.items : [wanted];
  return all.some((one) => {
    const part = textOf(one);
    if (part === undefined) throw new TemplateFault(`startswith first arg must be str or a tuple of str, not ${typeName(one)}`);
    return test(text, part);
  });
}

export const capitalised = (text: string) => {
  const [first = '', ...rest] = text;
  return first.toUpperCase() + rest.join('').toLowerCase();
};
const all = (text: string, pattern: RegExp) => text !== '' && [...text].every((one) => pattern.test(one));
const cased = (text: string, lower: boolean) =>
  /\p{Cased}/u.test(text) &&
  text === (lower ? text.toLowerCase() : text.toUpperCase()) &&
  !(lower ? /\p{Lu}|\p{Lt}/u : /\p{Ll}|\p{Lt}/u).test(text);
const titled = (text: string) => text.replace(/\p{L}+/gu, capitalised);

const FIND = ['sub', 'start', 'end'];
const PAD = ['width', 'fillchar'];
const none: readonly string[] = [];

const TEXTS: Record<string, Method<string>> = {
  upper: [none, (text) => text.toUpperCase()],
  lower: [none, (text) => text.toLowerCase()],
  capitalize: [none, capitalised],
  title: [none, titled],
  casefold: [none, (text) => text.toLowerCase().replaceAll('ß', 'ss')],
  swapcase: [none, (text) => [...text].map((one) => (one === one.toUpperCase() ? one.toLowerCase() : one.toUpperCase())).join('')],
  strip: [['chars'], (text, given) => stripped(text, given.value('chars', null), true, true)],
  lstrip: [['chars'], (text, given) => stripped(text, given.value('chars', null), true, false)],
  rstrip: [['chars'], (text, given) => stripped(text, given.value('chars', null), false, true)],
  split: [['sep', 'maxsplit'], (text, given) => split(text, given, false)],
  rsplit: [['sep', 'maxsplit'], (text, given) => split(text, given, true)],
  splitlines: [['keepends'], (text, given) => lines(text, given.value('keepends', false) === true || given.value('keepends', false) === 1)],
  startswith: [['prefix', 'start', 'end'], (text, given) => begins(text, given, (one, part) => one.startsWith(part))],
  endswith: [['prefix', 'start', 'end'], (text, given) => begins(text, given, (one, part) => one.endsWith(part))],
  replace: [['old', 'new', 'count'], (text, given) => replaced(text, given.text('old'), given.text('new'), given.whole('count', -1))],
  find: [FIND, (text, given) => place(text, given, false)],
  rfind: [FIND, (text, given) => place(text, given, true)],
  index: [FIND, (text, given) => foundAt(text, given, false)],
  rindex: [FIND, (text, given) => foundAt(text, given, true)],
  count: [['sub'], (text, given) => (given.text('sub') === '' ? pointsOf(text).length + 1 : text.split(given.text('sub')).length - 1)],
  join: [['iterable'], (text, given) => joinedTexts(text, given.value('iterable'))],
  partition: [['sep'], (text, given) => partition(text, given, false)],
  rpartition: [['sep'], (text, given) => partition(text, given, true)],
  removeprefix: [['prefix'], (text, given) => (text.startsWith(given.text('prefix')) ? text.slice(given.text('prefix').length) : text)],
  removesuffix: [
    ['suffix'],
    (text, given) =>
      given.text('suffix') !== '' && text.endsWith(given.text('suffix')) ? text.slice(0, -given.text('suffix').length) : text,
  ],
  ljust: [PAD, (text, given) => padded(text, given.whole('width'), '<', given.text('fillchar', ' '))],
  rjust: [PAD, (text, given) => padded(text, given.whole('width'), '>', given.text('fillchar', ' '))],
  zfill: [['width'], (text, given) => padded(text, given.whole('width'), '>', '0')],
  expandtabs: [['tabsize'], (text, given) => expanded(text, given.whole('tabsize', 8))],
  isdigit: [none, (text) => all(text, /\p{Nd}|[²³¹⁰-⁹₀-₉①-⑨]/u)],
  isdecimal: [none, (text) => all(text, /\p{Nd}/u)],
  isnumeric: [none, (text) => all(text, /\p{N}/u)],
  isalpha: [none, (text) => all(text, /\p{L}/u)],
  isalnum: [none, (text) => all(text, /[\p{L}\p{N}]/u)],
  isspace: [none, (text) => text !== '' && [...text].every(isSpace)],
  isupper: [none, (text) => cased(text, false)],
  islower: [none, (text) => cased(text, true)],
  istitle: [none, (text) => /\p{L}/u.test(text) && text === titled(text)],
  isascii: [none, (text) => Buffer.byteLength(text) === text.length],
};

function expanded(text: string, size: number): string {
  let column = 0;
  return [...text]
    .map((one) => {
      if (one !== '\t') {
        column = one === '\n' || one === '\r' ? 0 : column + 1;
        return one;
      }
      const width = size > 0 ? Math.min(size, 1000) - (column % size) : 0;
      column += width;
      return ' '.repeat(width);
    })
    .join('');
}

function joinedTexts(separator: string, value: Value): string {
  const parts = itemsOf(value).map((one, i) => {
    const text = textOf(one);
    if (text === undefined) throw new TemplateFault(`sequence item ${i}: expected str instance, ${typeName(one)} found`);
    return text;
  });
  bounded(parts.reduce((sum, part) => sum + part.length + separator.length, 0));
  return parts.join(separator);
}

function indexOf(items: readonly Value[], value: Value): number {
  const at = items.findIndex((one) => equals(one, value));
  if (at < 0) throw new TemplateFault(`${repr(value)} is not in the list`);
  return at;
}

const LISTS: Record<string, Method<readonly Value[]>> = {
  index: [['value'], (items, given) => indexOf(items, given.value('value'))],
  count: [['value'], (items, given) => items.filter((one) => equals(one, given.value('value'))).length],
};
const COPIED: Record<string, Method<readonly Value[]>> = { ...LISTS, copy: [none, (items) => [...items]] };

const DICTS: Record<string, Method<Dict>> = {
  items: [
    none,
    (dict) =>
      new Items(
        'dict_items',
        dict.entries().map((entry) => new Tuple(entry)),
      ),
  ],
  keys: [
    none,
    (dict) =>
      new Items(
        'dict_keys',
        dict.entries().map(([key]) => key),
      ),
  ],
  values: [
    none,
    (dict) =>
      new Items(
        'dict_values',
        dict.entries().map(([, value]) => value),
      ),
  ],
  get: [['key', 'default'], (dict, given) => present(dict.get(given.value('key')), given.value('default', null))],
  copy: [none, (dict) => new Dict(dict.entries())],
};

/** Methods that transformers' sandbox forbids: they change their object. */
const CHANGES: Record<string, readonly string[]> = {
  list: ['append', 'clear', 'extend', 'insert', 'pop', 'remove', 'reverse', 'sort'],
  dict: ['clear', 'pop', 'popitem', 'setdefault', 'update'],
};
/** Methods of Python that are not here. */
const MISSING: Record<string, readonly string[]> = {
  str: ['encode', 'format_map', 'isidentifier', 'isprintable', 'maketrans', 'translate', 'center', 'format'],
  dict: ['fromkeys'],
};

/** A method of a value; undefined where its type has none of that name. */
export function methodOf(value: Value, name: string, attribute: (value: Value, path: string) => Value): Callable | undefined {
  const type = typeName(value);
  if (CHANGES[type]?.includes(name)) return refusal(name, `${type}.${name} changes its object, which the sandbox of templates forbids`);
  const text = textOf(value);
  if (text !== undefined && name === 'format') return new Callable(name, (args, named) => formatted(text, args, named, attribute));
  if (text !== undefined && name === 'center')
    return new Callable(name, (args, named) =>
      centred(text, bind(name, PAD, args, named).whole('width'), bind(name, PAD, args, named).text('fillchar', ' ')),
    );
  if (MISSING[type]?.includes(name)) return refusal(name, `the method ${type}.${name} is not supported`);
  if (text !== undefined) return bound(TEXTS, text, name);
  if (Array.isArray(value)) return bound(COPIED, value, name);
  if (value instanceof Tuple) return bound(LISTS, value.items, name);
  return value instanceof Dict ? bound(DICTS, value, name) : undefined;
}

function bound<T>(methods: Record<string, Method<T>>, self: T, name: string): Callable | undefined {
  if (!Object.hasOwn(methods, name)) return undefined;
  const [names, run] = methods[name]!;
  return new Callable(name, (args, named) => run(self, bind(name, names, args, named)));
}

const refusal = (name: string, message: string) =>
  new Callable(name, () => {
    throw new TemplateFault(message);
  });

/** Python's str.center puts the odd space to the left where both the width and what is missing are odd. */
export function centred(text: string, width: number, fill = ' '): string {
  const missing = width - pointsOf(text).length;
  if (missing <= 0) return text;
  bounded(width);
  const left = Math.floor(missing / 2) + (missing & width & 1);
  return fill.repeat(left) + text + fill.repeat(missing - left);
}
