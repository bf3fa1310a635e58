/** Python's formatting: `'…' % values`, and `'…'.format(…)`. What is not known is refused by name. */
import { Float, pythonFloat } from '../../json/index.js';
import { bounded, Dict, isWhole, numberOf, repr, str, TemplateFault, Tuple, textOf, typeName, type Value } from './values.js';

const PERCENT = /%(?:\((?<key>[^)]*)\))?(?<flags>[-+ 0#]*)(?<width>\d+)?(?:\.(?<precision>\d*))?(?<type>[\s\S])?/g;

/** `text % values`. */
export function percent(text: string, values: Value): string {
  const list = values instanceof Tuple ? values.items : [values];
  let next = 0;
  const result = text.replace(PERCENT, (...match) => {
    const { key, flags = '', width = '0', precision, type } = match.at(-1) as Record<string, string | undefined>;
    if (type === '%') return '%';
    if (type === undefined) throw new TemplateFault('incomplete format');
    if (key === undefined && next >= list.length) throw new TemplateFault('not enough arguments for format string');
    const value = key === undefined ? list[next++]! : keyed(values, key);
    const digits = precision === undefined ? undefined : Number(precision);
    return padded(
      converted(type, value, digits, flags),
      Number(width),
      flags.includes('-') ? '<' : '>',
      flags.includes('0') && !'sr'.includes(type) ? '0' : ' ',
    );
  });
  if (next < list.length && !(values instanceof Dict)) throw new TemplateFault('not all arguments converted during string formatting');
  return result;
}

function keyed(values: Value, key: string): Value {
  const value = values instanceof Dict ? values.get(key) : undefined;
  if (value === undefined) throw new TemplateFault(values instanceof Dict ? `KeyError: '${key}'` : 'format requires a mapping');
  return value;
}

function converted(type: string, value: Value, precision: number | undefined, flags: string): string {
  if (type === 's' || type === 'r') {
    const text = type === 's' ? str(value) : repr(value);
    return precision === undefined ? text : [...text].slice(0, precision).join('');
  }
  const sign = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  const number = numberOf(value);
  if (number === undefined) throw new TemplateFault(`%${type} format: a real number is required, not ${typeName(value)}`);
  if (flags.includes('#')) throw new TemplateFault(`the flag # of %${type} is not supported`);
  const written = numeric(
    'diu'.includes(type) ? 'd' : type,
    'diu'.includes(type) && number instanceof Float ? BigInt(Math.trunc(number.value)) : number,
    precision,
  );
  return written.startsWith('-') ? written : sign + written;
}

/** A number by a format type of Python's. */
function numeric(type: string, number: number | bigint | Float, precision: number | undefined): string {
  if ('dxXob'.includes(type)) {
    if (number instanceof Float) throw new TemplateFault(`Unknown format code '${type}' for object of type 'float'`);
    const text = BigInt(number).toString({ d: 10, x: 16, X: 16, o: 8, b: 2 }[type]);
    return type === 'X' ? text.toUpperCase() : text;
  }
  const value = Number(number);
  if (!Number.isFinite(value)) return pythonFloat(value);
  const places = precision ?? 6;
  if (places > 100) throw new TemplateFault('a precision beyond 100');
  if (type === 'f' || type === 'F') return fixed(value, places);
  if (type === '%') return `${fixed(value * 100, places)}%`;
  if (type === 'e' || type === 'E') return cased(type, exponent(value.toExponential(places)));
  if (type === 'g' || type === 'G') return cased(type, general(value, places === 0 ? 1 : places));
  throw new TemplateFault(`the format code '${type}' is not supported`);
}

const cased = (type: string, text: string) => (type === type.toUpperCase() ? text.toUpperCase() : text);
const exponent = (text: string) => text.replace(/e([+-])(\d)$/, 'e$10$2');

/** Rounded from the exact value of the double, halves to even, as C's printf does. */
export function fixed(value: number, places: number): string {
  if (Math.abs(value) < 1e21) {
    const text = value.toFixed(places);
    const half = `${Math.abs(value)}`;
    if (!/^\d*\.\d*5$/.test(half) || (half.split('.')[1] ?? '').length !== places + 1) return signed(text, value);
    return signed(evenAtHalf(value, places) ?? text, value);
  }
  const digits = BigInt(value).toString();
  return places === 0 ? digits : `${digits}.${'0'.repeat(places)}`;
}

const signed = (text: string, value: number) => (Object.is(value, -0) && !text.startsWith('-') ? `-${text}` : text);

/** A value that lies exactly half-way between two decimals: the even one. */
function evenAtHalf(value: number, places: number): string | undefined {
  const scaled = Math.abs(value) * 2 ** (places + 1);
  if (!Number.isInteger(scaled)) return undefined; // no exact half: toFixed rounds by the exact value
  const low = Math.floor(Math.abs(value) * 10 ** places);
  const even = low % 2 === 0 ? low : low + 1;
  return (Math.sign(value) * (even / 10 ** places)).toFixed(places);
}

function general(value: number, digits: number): string {
  const [mantissa = '', power = '0'] = value.toExponential(digits - 1).split('e');
  const at = Number(power);
  const bare = (text: string) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
  if (at < -4 || at >= digits) return exponent(`${bare(mantissa)}e${power}`);
  return bare(value.toFixed(Math.max(digits - 1 - at, 0)));
}

export function padded(text: string, width: number, align: string, fill = ' '): string {
  bounded(width);
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (align === '<') return text + fill.repeat(missing);
  if (align === '^') return fill.repeat(Math.floor(missing / 2)) + text + fill.repeat(Math.ceil(missing / 2));
  const sign = fill === '0' ? (/^[-+ ]/.exec(text)?.[0] ?? '') : '';
  return sign + fill.repeat(missing) + text.slice(sign.length);
}

/** `text.format(…)`. */
export function formatted(
  text: string,
  args: readonly Value[],
  named: ReadonlyMap<string, Value>,
  attribute: (value: Value, path: string) => Value,
): string {
  let next = 0;
  const result = text.replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (whole, field?: string) => {
    if (whole === '{{' || whole === '}}') return whole[0]!;
    if (field === undefined) throw new TemplateFault(`Single '${whole}' encountered in format string`);
    const [, name = '', path = '', conversion = '', spec = ''] =
      /^(\w*)((?:\.\w+|\[[^\]]*\])*)(?:!(\w))?(?::([\s\S]*))?$/.exec(field) ?? [];
    if (`${name}${path}` === '' && field !== '' && !/^[!:]/.test(field))
      throw new TemplateFault(`the format field {${field}} is not supported`);
    const value = attribute(argument(name === '' ? String(next++) : name, args, named), path);
    if (conversion !== '' && !'sr'.includes(conversion)) throw new TemplateFault(`the conversion !${conversion} is not supported`);
    return specified(conversion === 'r' ? repr(value) : conversion === 's' ? str(value) : value, spec);
  });
  bounded(result.length);
  return result;
}

function argument(name: string, args: readonly Value[], named: ReadonlyMap<string, Value>): Value {
  const value = /^\d+$/.test(name) ? args[Number(name)] : named.get(name);
  if (value !== undefined) return value;
  throw new TemplateFault(/^\d+$/.test(name) ? 'Replacement index out of range for positional args tuple' : `KeyError: '${name}'`);
}

const SPEC = /^(?:([\s\S])?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u;

function specified(value: Value, spec: string): string {
  if (spec === '') return str(value);
  const [whole, fill, align, sign = '', alternate, zero, width = '0', group, precision, type] = SPEC.exec(spec) ?? [];
  if (whole === undefined || alternate || group) throw new TemplateFault(`the format specification '${spec}' is not supported`);
  const number = typeof value === 'boolean' ? undefined : numberOf(value);
  if (number === undefined) {
    const text = textOf(value);
    if (text === undefined) throw new TemplateFault(`unsupported format string passed to ${typeName(value)}.__format__`);
    if ((type && type !== 's') || sign || align === '=')
      throw new TemplateFault(`Unknown format code in '${spec}' for object of type 'str'`);
    return padded(
      precision === undefined ? text : [...text].slice(0, Number(precision)).join(''),
      Number(width),
      align ?? '<',
      fill ?? (zero ? '0' : ' '),
    );
  }
  const written =
    type === undefined
      ? plain(number, precision)
      : numeric(isWhole(number) && type === 'n' ? 'd' : type, number, precision === undefined ? undefined : Number(precision));
  const text = written.startsWith('-') || sign === '-' ? written : sign + written;
  return padded(text, Number(width), align === '=' ? '>' : (align ?? '>'), fill ?? (zero ? '0' : ' '));
}

function plain(number: number | bigint | Float, precision: string | undefined): string {
  if (precision === undefined) return str(number);
  if (!(number instanceof Float)) throw new TemplateFault('Precision not allowed in integer format specifier');
  throw new TemplateFault('a precision without a type is not supported in a format specification; write .Nf or .Ng');
}
