/** Methods of Python's `str` that templates call, where JavaScript's differ or the library has none. */
import type { Value } from './library.js';
import { equals, flag, isList, isText, list, str, text, toValue } from './values.js';

/** Python's white space (`str.isspace`): U+FEFF is none, U+0085 and the separators U+001C to U+001F are. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const SPACES_AT_START = new RegExp(`^[${SPACE}]+`);
const SPACES_AT_END = new RegExp(`[${SPACE}]+$`);

/** Takes characters off both sides, or one; white space where none are named. */
export function strip(value: string, sides: 'both' | 'start' | 'end', characters?: string): string {
  let [from, to] = [0, value.length];
  const taken = characters === undefined ? undefined : new Set(characters);
  if (sides !== 'end') from = taken ? run(value, taken, 1) : (SPACES_AT_START.exec(value)?.[0].length ?? 0);
  if (sides !== 'start') to -= taken ? run(value, taken, -1) : endLength(value);
  return from >= to ? '' : value.slice(from, to);
}

/** Length of the run of `taken` characters at the beginning, or (step -1) at the end. */
function run(value: string, taken: ReadonlySet<string>, step: 1 | -1): number {
  const characters = [...value];
  if (step < 0) characters.reverse();
  let length = 0;
  for (const character of characters) {
    if (!taken.has(character)) break;
    length += character.length;
  }
  return length;
}

/** A regular expression that is anchored at the end only is tried at every place: looks from the end instead. */
function endLength(value: string): number {
  let at = value.length;
  while (at > 0 && SPACES_AT_END.test(value[at - 1]!)) at--;
  return value.length - at;
}

type Method = (self: string, ...args: Value[]) => Value;

const stripper =
  (sides: 'both' | 'start' | 'end'): Method =>
  (self, characters) =>
    text(strip(self, sides, characters && isText(characters) ? characters.value : undefined));

const capitalize = (self: string) => {
  const [first = '', ...rest] = self;
  return first.toUpperCase() + rest.join('').toLowerCase();
};

const needText = (value: Value | undefined): string => {
  if (value && isText(value)) return value.value;
  throw new Error('expected a string');
};

/** By name; arguments are positional. */
export const METHODS: Readonly<Record<string, Method>> = {
  strip: stripper('both'),
  lstrip: stripper('start'),
  rstrip: stripper('end'),
  capitalize: (self) => text(capitalize(self)),
  title: (self) => text(self.replace(/\p{L}+/gu, capitalize)),
  removeprefix: (self, prefix) => text(self.startsWith(needText(prefix)) ? self.slice(needText(prefix).length) : self),
  removesuffix: (self, suffix) =>
    text(needText(suffix) && self.endsWith(needText(suffix)) ? self.slice(0, -needText(suffix).length) : self),
  splitlines: (self) => list((self === '' ? [] : self.replace(/(\r\n|[\n\r])$/, '').split(/\r\n|[\n\r]/)).map(text)),
  join: (self, items) => text((items && isList(items) ? items.value : []).map(needText).join(self)),
  find: (self, part) =>
    toValue([...self.slice(0, Math.max(self.indexOf(needText(part)), 0))].length - Number(!self.includes(needText(part)))),
  count: (self, part) => toValue(self.split(needText(part)).length - 1),
  isdigit: (self) => flag(/^\p{Nd}+$/u.test(self)),
  isspace: (self) => flag(self !== '' && strip(self, 'both') === ''),
  rsplit: (self, separator, most) => list(rsplit(self, needText(separator), most ? Number(most.value) : -1).map(text)),
  partition: (self, separator) => list(partition(self, needText(separator), self.indexOf(needText(separator))).map(text)),
};

function rsplit(self: string, separator: string, most: number): string[] {
  const parts = self.split(separator);
  if (most < 0 || parts.length <= most) return parts;
  const kept = parts.length - most;
  return [parts.slice(0, kept).join(separator), ...parts.slice(kept)];
}

const partition = (self: string, separator: string, at: number) =>
  at < 0 ? [self, '', ''] : [self.slice(0, at), separator, self.slice(at + separator.length)];

/** Filters that turn their operand into a string first, as Jinja does: `none | trim` is `None`, an undefined name is empty. */
export const TEXT_FILTERS: Readonly<Record<string, Method>> = {
  trim: stripper('both'),
  string: (self) => text(self),
  upper: (self) => text(self.toUpperCase()),
  lower: (self) => text(self.toLowerCase()),
  capitalize: METHODS.capitalize!,
  title: METHODS.title!,
};

/** Whether `item` is one of the values of a list. */
export const includes = (values: readonly Value[], item: Value) => values.some((value) => equals(value, item));

/** Python's `a ~ b` of Jinja. */
export const joined = (a: Value, b: Value) => text(str(a) + str(b));
