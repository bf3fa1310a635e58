/**
 * Jinja2's filters: `value | name(…)`.
 * Long because: the table at the end lists them all, and most are a few lines each.
 */
import { Float } from '../../json/index.js';
import { type Bound, bind } from './arguments.js';
import { fixed, percent } from './format.js';
import { type JsonStyle, PLAIN_STYLE, pythonJson } from './json_text.js';
import { capitalised, centred, replaced, stripped } from './methods.js';
import { binary, unary, wholeOf } from './operators.js';
import {
  bounded,
  Dict,
  equals,
  Items,
  isTrue,
  itemsOf,
  lengthOf,
  Markup,
  type Named,
  numberOf,
  order,
  present,
  str,
  TemplateFault,
  Tuple,
  textOf,
  Undefined,
  type Value,
  whole,
} from './values.js';

/** What filters need of the interpreter. */
export interface FilterRoom {
  filter(name: string, value: Value, args: Value[], named: Named): Value;
  test(name: string, value: Value, args: Value[]): boolean;
  /** `value[key]`, else the attribute of that name. */
  item(value: Value, key: Value): Value;
}

type Filter = readonly [names: readonly string[], run: (value: Value, given: Bound, room: FilterRoom) => Value];

const ESCAPED: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };
const escaped = (value: Value) => (value instanceof Markup ? value : new Markup(str(value).replace(/[&<>"']/g, (one) => ESCAPED[one]!)));

/** An attribute by its name, `a.b`, or the number of an item. */
function getter(attribute: Value, room: FilterRoom, otherwise?: Value): (value: Value) => Value {
  if (attribute === null) return (value) => value;
  const parts: Value[] = (textOf(attribute)?.split('.') ?? [attribute]).map((part) => (/^\d+$/.test(str(part)) ? Number(str(part)) : part));
  return (value) => {
    let found = value;
    for (const part of parts) found = room.item(found, part);
    return found instanceof Undefined && otherwise !== undefined && otherwise !== null ? otherwise : found;
  };
}

/** Without regard to case, unless it counts. */
const folded = (value: Value, given: Bound): Value =>
  isTrue(given.value('case_sensitive', false)) ? value : (textOf(value)?.toLowerCase() ?? value);

function sorted(value: Value, given: Bound, room: FilterRoom): Value[] {
  const attributes = textOf(given.value('attribute', null))
    ?.split(',')
    .map((one) => getter(one, room)) ?? [getter(given.value('attribute', null), room)];
  const keyed = itemsOf(value).map((item) => ({ item, keys: attributes.map((get) => folded(get(item), given)) }));
  const sign = isTrue(given.value('reverse', false)) ? -1 : 1;
  keyed.sort((a, b) => sign * compareKeys(a.keys, b.keys));
  return keyed.map(({ item }) => item);
}

function compareKeys(a: readonly Value[], b: readonly Value[]): number {
  for (const [i, key] of a.entries()) {
    const difference = order(key, b[i]!);
    if (difference !== 0) return difference;
  }
  return 0;
}

function extreme(value: Value, given: Bound, room: FilterRoom, sign: 1 | -1): Value {
  const get = getter(given.value('attribute', null), room);
  let best: Value | undefined;
  for (const item of itemsOf(value))
    if (best === undefined || sign * order(folded(get(item), given), folded(get(best), given)) > 0) best = item;
  return present(best, new Undefined('No aggregated item, sequence was empty'));
}

function unique(value: Value, given: Bound, room: FilterRoom): Value {
  const get = getter(given.value('attribute', null), room);
  const seen = new Dict();
  const kept: Value[] = [];
  for (const item of itemsOf(value)) {
    const key = folded(get(item), given);
    if (!seen.has(key)) kept.push(item);
    seen.set(key, true);
  }
  return new Items('generator', kept);
}

function joinedBy(value: Value, given: Bound, room: FilterRoom): Value {
  const get = getter(given.value('attribute', null), room);
  const items = itemsOf(value).map(get);
  const parts = items.map(str);
  const between = given.shown('d', '');
  bounded(parts.reduce((sum, part) => sum + part.length + between.length, 0));
  return parts.join(between);
}

function mapped(value: Value, args: Value[], named: Named, room: FilterRoom): Value {
  const items = itemsOf(value);
  if (args.length === 0 && named.has('attribute')) {
    for (const name of named.keys())
      if (name !== 'attribute' && name !== 'default') throw new TemplateFault(`Unexpected keyword argument '${name}'`);
    return new Items('generator', items.map(getter(named.get('attribute')!, room, named.get('default'))));
  }
  const [name, ...rest] = args;
  if (name === undefined) throw new TemplateFault('map requires a filter argument');
  return new Items(
    'generator',
    items.map((item) => room.filter(str(name), item, rest, named)),
  );
}

/** `select`, `reject`, and with an attribute `selectattr`, `rejectattr`. */
function chosen(value: Value, args: Value[], room: FilterRoom, keeps: boolean, byAttribute: boolean): Value {
  if (byAttribute && args.length === 0) throw new TemplateFault('Missing parameter for attribute name');
  const get = byAttribute ? getter(args[0]!, room) : (item: Value) => item;
  const [name, ...rest] = byAttribute ? args.slice(1) : args;
  const holds = (item: Value) => (name === undefined ? isTrue(item) : room.test(str(name), item, rest));
  return new Items(
    'generator',
    itemsOf(value).filter((item) => holds(get(item)) === keeps),
  );
}

function rounded(value: Value, given: Bound): Value {
  const number = numberOf(value);
  const [places, method] = [given.whole('precision', 0), given.text('method', 'common')];
  if (number === undefined) throw new TemplateFault('round takes a number');
  if (!['common', 'ceil', 'floor'].includes(method)) throw new TemplateFault('method must be common, ceil or floor');
  if (method === 'common') {
    if (!(number instanceof Float))
      return places >= 0 ? number : whole(BigInt(Math.round(Number(number) / 10 ** -places)) * 10n ** BigInt(-places));
    return new Float(
      places >= 0 ? Number(fixed(number.value, Math.min(places, 100))) : Math.round(number.value / 10 ** -places) * 10 ** -places,
    );
  }
  const scale = 10 ** places;
  return new Float(Math[method as 'ceil' | 'floor'](Number(number) * scale) / scale);
}

function toWhole(value: Value, given: Bound): Value {
  const number = numberOf(value);
  const otherwise = given.value('default', 0);
  const base = given.whole('base', 10);
  if (number instanceof Float) return Number.isFinite(number.value) ? whole(BigInt(Math.trunc(number.value))) : otherwise;
  if (number !== undefined) return number;
  const text = textOf(value)
    ?.trim()
    .replaceAll(/(?<=\d)_(?=\d)/g, '');
  if (text === undefined) return otherwise;
  if (base !== 10) {
    const bare = text.replace(/^0[xX](?=[\da-fA-F])/, base === 16 ? '' : '$&').toLowerCase();
    const digits = '0123456789abcdefghijklmnopqrstuvwxyz'.slice(0, base);
    return bare !== '' && [...bare].every((one) => digits.includes(one)) ? Number.parseInt(bare, base) : otherwise;
  }
  if (/^[+-]?\d{1,4000}$/.test(text)) return whole(BigInt(text.replace(/^\+/, '')));
  const float = floatOf(text);
  return float === undefined || !Number.isFinite(float) ? otherwise : whole(BigInt(Math.trunc(float)));
}

const NUMBER = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|infinity|nan)$/i;

function floatOf(text: string): number | undefined {
  const bare = text.trim();
  if (!NUMBER.test(bare)) return undefined;
  return /inf/i.test(bare) ? (bare.startsWith('-') ? -Infinity : Infinity) : Number(bare);
}

function toFloat(value: Value, given: Bound): Value {
  const number = numberOf(value);
  if (number !== undefined) return new Float(Number(number));
  const found = floatOf(textOf(value) ?? '');
  return found === undefined ? given.value('default', new Float(0)) : new Float(found);
}

function indented(value: Value, given: Bound): Value {
  const width = given.value('width', 4);
  const count = textOf(width) === undefined ? wholeOf(width) : 0;
  bounded(count);
  const margin = textOf(width) ?? ' '.repeat(Math.max(count, 0));
  const rows = `${str(value)}\n`.split('\n').slice(0, -1);
  const lines = rows.at(-1) === '' && rows.length > 1 ? rows : rows;
  bounded(str(value).length + margin.length * lines.length);
  const blank = isTrue(given.value('blank', false));
  const shown = lines.map((line, i) => (i === 0 || (line === '' && !blank) ? line : margin + line));
  return (isTrue(given.value('first', false)) ? margin : '') + shown.join('\n');
}

function truncated(value: Value, given: Bound): Value {
  const points = [...str(value)];
  const [length, end, leeway] = [given.whole('length', 255), given.shown('end', '...'), given.value('leeway', null)];
  const most = leeway === null ? 5 : wholeOf(leeway);
  if (points.length <= length + most) return points.join('');
  const cut = points.slice(0, length - [...end].length).join('');
  return (isTrue(given.value('killwords', false)) ? cut : cut.slice(0, cut.lastIndexOf(' ') < 0 ? undefined : cut.lastIndexOf(' '))) + end;
}

function jsonText(value: Value, given: Bound): Value {
  const style: JsonStyle = {
    ...PLAIN_STYLE,
    ensureAscii: isTrue(given.value('ensure_ascii', false)),
    sortKeys: isTrue(given.value('sort_keys', false)),
  };
  const [indent, separators] = [given.value('indent', null), given.value('separators', null)];
  const step = indent === null ? null : (textOf(indent) ?? wholeOf(indent));
  const pair = separators === null ? null : (itemsOf(separators).map(str) as [string, string]);
  return pythonJson(value, { ...style, indent: step, separators: pair });
}

function sum(value: Value, given: Bound, room: FilterRoom): Value {
  const get = getter(given.value('attribute', null), room);
  return itemsOf(value).reduce((total: Value, item) => binary('+', total, get(item)), given.value('start', 0));
}

function dictSorted(value: Value, given: Bound): Value {
  if (!(value instanceof Dict)) throw new TemplateFault('dictsort takes a dict');
  const by = given.text('by', 'key') === 'key' ? 0 : 1;
  const sign = isTrue(given.value('reverse', false)) ? -1 : 1;
  const entries = value.entries().map((entry) => ({ entry, key: folded(entry[by], given) }));
  return entries.sort((a, b) => sign * order(a.key, b.key)).map(({ entry }) => new Tuple(entry));
}

function grouped(value: Value, given: Bound, room: FilterRoom): Value {
  const get = getter(given.value('attribute'), room, given.value('default', null));
  const groups: [Value, Value[]][] = [];
  const keyed = itemsOf(value).map((item) => ({ item, key: folded(get(item), given), own: get(item) }));
  for (const { item, key, own } of keyed.sort((a, b) => order(a.key, b.key))) {
    const last = groups.at(-1);
    if (last && equals(folded(last[0], given), key)) last[1].push(item);
    else groups.push([own, [item]]);
  }
  return groups.map(([grouper, list]) => new Tuple([grouper, list]));
}

function batched(value: Value, given: Bound): Value {
  const [size, fill] = [given.whole('linecount'), given.value('fill_with', null)];
  const items = itemsOf(value);
  if (size < 1) throw new TemplateFault('batch takes a number of 1 or more');
  const rows = Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
  const last = rows.at(-1);
  if (last && fill !== null) {
    bounded(size);
    while (last.length < size) last.push(fill);
  }
  return new Items('generator', rows);
}

function slicedInto(value: Value, given: Bound): Value {
  const [count, fill] = [given.whole('slices'), given.value('fill_with', null)];
  const items = itemsOf(value);
  if (count < 1 || count > 100_000) throw new TemplateFault('slice takes a number from 1 to 100000');
  const [size, more] = [Math.floor(items.length / count), items.length % count];
  const rows = Array.from({ length: count }, (_, i) => {
    const start = i * size + Math.min(i, more);
    const row = items.slice(start, start + size + (i < more ? 1 : 0));
    return fill !== null && i >= more ? [...row, fill] : row;
  });
  return new Items('generator', rows);
}

function urlEncoded(value: Value): Value {
  const quote = (one: Value, slash: boolean) => {
    const text = encodeURIComponent(str(one)).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
    return slash ? text.replaceAll('%2F', '/') : text.replaceAll('%20', '+');
  };
  if (textOf(value) !== undefined || !(value instanceof Dict)) return quote(value, true);
  return value
    .entries()
    .map(([key, one]) => `${quote(key, false)}=${quote(one, false)}`)
    .join('&');
}

const first = (value: Value) => present(itemsOf(value)[0], new Undefined('No first item, sequence was empty'));
const last = (value: Value) => present(itemsOf(value).at(-1), new Undefined('No last item, sequence was empty'));

function reversed(value: Value): Value {
  const text = textOf(value);
  return text === undefined ? new Items('generator', [...itemsOf(value)].reverse()) : [...text].reverse().join('');
}

const stripChars = (value: Value, given: Bound) => {
  const chars = given.value('chars', null);
  if (chars === null) return stripped(str(value), null, true, true);
  const set = [...str(chars)];
  const points = [...str(value)];
  while (points.length > 0 && set.includes(points[0]!)) points.shift();
  while (points.length > 0 && set.includes(points.at(-1)!)) points.pop();
  return points.join('');
};

const titleOf = (value: Value) =>
  str(value)
    .split(/([-\s({[<]+)/)
    .map((one) => (one === '' ? '' : one[0]!.toUpperCase() + one.slice(1).toLowerCase()))
    .join('');

const none: readonly string[] = [];
const CASE = ['case_sensitive', 'attribute'];

const FILTERS: Record<string, Filter> = {
  abs: [none, (value) => (isTrue(order(value, 0) < 0) ? unary('-', value) : (numberOf(value) ?? 0))],
  batch: [['linecount', 'fill_with'], batched],
  capitalize: [none, (value) => capitalised(str(value))],
  center: [['width'], (value, given) => centred(str(value), given.whole('width', 80))],
  count: [none, (value) => lengthOf(value)],
  default: [
    ['default_value', 'boolean'],
    (value, given) =>
      value instanceof Undefined || (isTrue(given.value('boolean', false)) && !isTrue(value)) ? given.value('default_value', '') : value,
  ],
  dictsort: [['case_sensitive', 'by', 'reverse'], dictSorted],
  escape: [none, escaped],
  first: [none, first],
  float: [['default'], toFloat],
  forceescape: [none, (value) => escaped(str(value))],
  groupby: [['attribute', 'default', 'case_sensitive'], grouped],
  indent: [['width', 'first', 'blank'], indented],
  int: [['default', 'base'], toWhole],
  items: [none, (value) => (value instanceof Undefined ? new Items('generator', []) : itemsFilter(value))],
  join: [['d', 'attribute'], joinedBy],
  last: [none, last],
  length: [none, (value) => lengthOf(value)],
  list: [none, (value) => [...itemsOf(value)]],
  lower: [none, (value) => str(value).toLowerCase()],
  max: [CASE, (value, given, room) => extreme(value, given, room, 1)],
  min: [CASE, (value, given, room) => extreme(value, given, room, -1)],
  replace: [
    ['s', 'old', 'new', 'count'].slice(1),
    (value, given) =>
      replaced(str(value), given.shown('old'), given.shown('new'), given.value('count', null) === null ? -1 : given.whole('count')),
  ],
  reverse: [none, reversed],
  round: [['precision', 'method'], rounded],
  safe: [none, (value) => new Markup(str(value))],
  slice: [['slices', 'fill_with'], slicedInto],
  sort: [['reverse', 'case_sensitive', 'attribute'], sorted],
  string: [none, (value) => (value instanceof Markup ? value : str(value))],
  sum: [['attribute', 'start'], sum],
  title: [none, titleOf],
  tojson: [['ensure_ascii', 'indent', 'separators', 'sort_keys'], jsonText],
  trim: [['chars'], stripChars],
  truncate: [['length', 'killwords', 'end', 'leeway'], truncated],
  unique: [CASE, unique],
  upper: [none, (value) => str(value).toUpperCase()],
  urlencode: [none, urlEncoded],
  wordcount: [none, (value) => (str(value).match(/[\p{L}\p{N}_]+/gu) ?? []).length],
};

/** Other names of the same. */
const OTHERS: Record<string, string> = { d: 'default', e: 'escape' };

/** Filters of Jinja2 that are not here. */
const MISSING = ['filesizeformat', 'pprint', 'random', 'striptags', 'urlize', 'wordwrap', 'xmlattr'];

function itemsFilter(value: Value): Value {
  if (!(value instanceof Dict)) throw new TemplateFault('Can only get item pairs from a mapping.');
  return new Items(
    'generator',
    value.entries().map((entry) => new Tuple(entry)),
  );
}

/** Whether there is a filter of this name. */
export const isFilter = (name: string) =>
  Object.hasOwn(FILTERS, OTHERS[name] ?? name) || ['map', 'select', 'reject', 'selectattr', 'rejectattr', 'attr', 'format'].includes(name);

/** Value of `value | name(…)`. @throws TemplateFault */
export function applyFilter(name: string, value: Value, args: Value[], named: Named, room: FilterRoom): Value {
  if (name === 'map') return mapped(value, args, named, room);
  if (name === 'format')
    return args.length > 0 || named.size === 0 ? percent(str(value), new Tuple(args)) : percent(str(value), new Dict(named));
  if (name === 'attr') return room.item(value, args[0] ?? null);
  if (/^(?:select|reject)(?:attr)?$/.test(name)) return chosen(value, args, room, name.startsWith('select'), name.endsWith('attr'));
  const key = OTHERS[name] ?? name;
  if (!Object.hasOwn(FILTERS, key))
    throw new TemplateFault(MISSING.includes(name) ? `the filter ${name} is not supported` : `there is no filter named '${name}'`);
  const [names, run] = FILTERS[key]!;
  return run(value, bind(name, names, args, named), room);
}
