/** The filter `tojson`: Python's `json.dumps` as transformers sets it up. */
import { pythonFloat } from '../../json/index.js';
import type { Value } from './library.js';
import { isList, isMapping, isText } from './values.js';

/** As the filter's arguments are named. */
export interface JsonStyle {
  indent: number | string | null;
  ensureAscii: boolean;
  sortKeys: boolean;
  separators: readonly [item: string, key: string] | null;
}

export const PLAIN_STYLE: JsonStyle = { indent: null, ensureAscii: false, sortKeys: false, separators: null };

/** @throws Error for a value that has no JSON, in Python's words */
export function pythonJson(value: Value, style: JsonStyle = PLAIN_STYLE): string {
  const { indent } = style;
  const step = typeof indent === 'number' ? ' '.repeat(indent) : indent;
  return written(value, style, step, '\n');
}

function written(value: Value, style: JsonStyle, step: string | null, lineEnd: string): string {
  const inner = step === null ? lineEnd : lineEnd + step;
  const [between, colon] = style.separators ?? [step === null ? ', ' : ',', ': '];
  const enclosed = (open: string, items: string[], close: string) => {
    if (items.length === 0) return open + close;
    return step === null ? open + items.join(between) + close : open + inner + items.join(between + inner) + lineEnd + close;
  };
  if (isList(value)) {
    const items = value.value.map((item) => written(item, style, step, inner));
    return enclosed('[', items, ']');
  }
  if (!isMapping(value)) return scalar(value, style);
  const entries = [...value.value];
  if (style.sortKeys) entries.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const members = entries.map(([key, one]) => quoted(String(key), style) + colon + written(one, style, step, inner));
  return enclosed('{', members, '}');
}

function scalar(value: Value, style: JsonStyle): string {
  if (isText(value)) return quoted(value.value, style);
  if (value.type === 'NullValue') return 'null';
  if (value.type === 'FloatValue') return floatText(value.value as number);
  if (value.type === 'IntegerValue' || value.type === 'BooleanValue') return String(value.value);
  throw new Error(`Object of type ${value.type.replace(/Value$/, '')} is not JSON serializable`);
}

const floatText = (value: number) =>
  Number.isFinite(value) ? pythonFloat(value) : Number.isNaN(value) ? 'NaN' : value < 0 ? '-Infinity' : 'Infinity';

const quoted = (text: string, { ensureAscii }: JsonStyle) =>
  ensureAscii
    ? JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => (unit === '\u007f' ? unit : escaped(unit)))
    : JSON.stringify(text);

const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
