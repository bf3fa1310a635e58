/** The filter `tojson`: Python's `json.dumps` as transformers sets it up. */
import { Float, pythonFloat } from '../../json/index.js';
import { Dict, isWhole, order, TemplateFault, Tuple, textOf, typeName, type Value } from './values.js';

/** As the filter's arguments are named. */
export interface JsonStyle {
  indent: number | string | null;
  ensureAscii: boolean;
  sortKeys: boolean;
  separators: readonly [item: string, key: string] | null;
}

export const PLAIN_STYLE: JsonStyle = { indent: null, ensureAscii: false, sortKeys: false, separators: null };

/** @throws TemplateFault for a value that has no JSON, in Python's words */
export function pythonJson(value: Value, style: JsonStyle = PLAIN_STYLE): string {
  const { indent } = style;
  const step = typeof indent === 'number' ? ' '.repeat(Math.min(Math.max(indent, 0), 1000)) : indent;
  return written(value, style, step, '\n');
}

function written(value: Value, style: JsonStyle, step: string | null, lineEnd: string): string {
  const inner = step === null ? lineEnd : lineEnd + step;
  const [between, colon] = style.separators ?? [step === null ? ', ' : ',', ': '];
  const enclosed = (open: string, items: string[], close: string) => {
    if (items.length === 0) return open + close;
    return step === null ? open + items.join(between) + close : open + inner + items.join(between + inner) + lineEnd + close;
  };
  if (Array.isArray(value) || value instanceof Tuple) {
    const items = (Array.isArray(value) ? value : value.items).map((item) => written(item, style, step, inner));
    return enclosed('[', items, ']');
  }
  if (!(value instanceof Dict)) return scalar(value, style);
  const entries = value.entries();
  if (style.sortKeys) entries.sort(([a], [b]) => order(a, b));
  const members = entries.map(([key, one]) => quoted(keyText(key), style) + colon + written(one, style, step, inner));
  return enclosed('{', members, '}');
}

function keyText(key: Value): string {
  const text = textOf(key);
  if (text !== undefined) return text;
  if (key instanceof Tuple) throw new TemplateFault('keys must be str, int, float, bool or None, not tuple');
  return scalar(key, PLAIN_STYLE);
}

function scalar(value: Value, style: JsonStyle): string {
  const text = textOf(value);
  if (text !== undefined) return quoted(text, style);
  if (value === null) return 'null';
  if (value instanceof Float) return floatText(value);
  if (typeof value === 'boolean' || isWhole(value)) return String(value);
  throw new TemplateFault(`Object of type ${typeName(value)} is not JSON serializable`);
}

function floatText(float: Float): string {
  const { value } = float;
  return Number.isFinite(value) ? pythonFloat(value) : Number.isNaN(value) ? 'NaN' : value < 0 ? '-Infinity' : 'Infinity';
}

const quoted = (text: string, { ensureAscii }: JsonStyle) =>
  ensureAscii
    ? JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => (unit === '\u007f' ? unit : escaped(unit)))
    : JSON.stringify(text);

const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
