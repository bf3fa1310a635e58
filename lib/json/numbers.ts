/**
 * Numbers of files, which JavaScript's own number cannot all hold. A value that is read is
 * - a `number` without a fraction: a whole number (Python's `int`), at most 2^53 - 1 from zero;
 * - a `bigint`: a whole number beyond that;
 * - a `number` with a fraction: one that JavaScript writes as it stood in the file (Python's `float`);
 * - a `Float`: every other one that was written with a point or an exponent (`1.0`, `1e-05`, `0.10`; Python's `float`).
 */
export class Float {
  /**
   * @param value the number
   * @param text how it is written where its text counts; default: as Python writes it
   */
  constructor(
    readonly value: number,
    readonly text: string = pythonFloat(value),
  ) {}

  /** As Python's `str` writes it. */
  python(): string {
    return pythonFloat(this.value);
  }

  toString(): string {
    return this.text;
  }

  valueOf(): number {
    return this.value;
  }

  toJSON(): number {
    return this.value;
  }
}

/** Digits of the longest whole number that is read: Python's own limit, and a bound on the time that a conversion takes. */
export const MOST_DIGITS = 4300;

const WHOLE = /^-?\d+$/;

/** The value of a number's text, which follows JSON's grammar; undefined where no value can hold it (1e400, or too many digits). */
export function numberFrom(text: string): number | bigint | Float | undefined {
  const value = Number(text);
  if (WHOLE.test(text)) {
    if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
    return text.length > MOST_DIGITS ? undefined : BigInt(text);
  }
  if (!Number.isFinite(value)) return undefined;
  return !Number.isInteger(value) && String(value) === text ? value : new Float(value, text);
}

/** A whole number of 64 bits or more, in the smallest type that holds it. */
export const wholeFrom = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

/** A floating-point number whose text is not known, as columns of floats hold it. */
export const floatFrom = (value: number): number | Float =>
  Number.isInteger(value) || String(value) !== pythonFloat(value) ? new Float(value) : value;

/** Python's `repr` of a float: the fewest digits that give it back, with an exponent below 1e-04 and from 1e+16 on. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [mantissa = '', power = '0'] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const digits = String(Math.abs(exponent)).padStart(2, '0');
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${digits}`;
  }
  // JavaScript writes these without an exponent: from 1e-06 to 1e+21.
  const plain = String(value);
  return plain.includes('.') ? plain : `${plain}.0`;
}
