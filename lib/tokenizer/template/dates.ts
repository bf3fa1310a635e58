/** Python's `strftime` in its C locale, whatever language the machine speaks. */
import { TemplateFault } from './values.js';

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');
const DAY = 86_400_000;

const two = (value: number) => String(value).padStart(2, '0');
const spaced = (value: number) => String(value).padStart(2, ' ');
const dayOfYear = (date: Date) =>
  Math.round((Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 0)) / DAY);
const hour12 = (date: Date) => date.getHours() % 12 || 12;

/** Week of the year, whose first is the one with the first such day (0 Sunday, 1 Monday). */
const week = (date: Date, first: number) => Math.floor((dayOfYear(date) - 1 + 7 - ((date.getDay() - first + 7) % 7)) / 7);

/** Year and week by ISO 8601: a week belongs to the year that its Thursday lies in. */
function isoWeek(date: Date): [year: number, week: number] {
  const day = date.getDay() || 7;
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - day);
  return [thursday.getFullYear(), Math.ceil(dayOfYear(thursday) / 7)];
}

const DIRECTIVES: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  C: (date) => two(Math.floor(date.getFullYear() / 100)),
  G: (date) => String(isoWeek(date)[0]),
  g: (date) => two(isoWeek(date)[0] % 100),
  m: (date) => two(date.getMonth() + 1),
  d: (date) => two(date.getDate()),
  e: (date) => spaced(date.getDate()),
  B: (date) => MONTHS[date.getMonth()]!,
  b: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  h: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  A: (date) => DAYS[date.getDay()]!,
  a: (date) => DAYS[date.getDay()]!.slice(0, 3),
  u: (date) => String(date.getDay() || 7),
  w: (date) => String(date.getDay()),
  H: (date) => two(date.getHours()),
  I: (date) => two(hour12(date)),
  k: (date) => spaced(date.getHours()),
  l: (date) => spaced(hour12(date)),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  P: (date) => (date.getHours() < 12 ? 'am' : 'pm'),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  f: (date) => String(date.getMilliseconds() * 1000).padStart(6, '0'),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  U: (date) => two(week(date, 0)),
  W: (date) => two(week(date, 1)),
  V: (date) => two(isoWeek(date)[1]),
  z: () => '', // datetime.now() knows no zone
  Z: () => '',
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
};

/** Directives that stand for several others. */
const WHOLE: Readonly<Record<string, string>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  R: '%H:%M',
  T: '%H:%M:%S',
  X: '%H:%M:%S',
  r: '%I:%M:%S %p',
  x: '%m/%d/%y',
};

/**
 * `%-d` leaves out the padding, `%_d` pads with spaces, `%^a` writes capitals, as glibc does.
 * @throws TemplateFault for a directive that is not known
 */
export function strftime(date: Date, format: string): string {
  return format.replace(/%([-_^]?)([\s\S]?)/g, (whole, flag: string, letter: string) => {
    if (Object.hasOwn(WHOLE, letter)) {
      const text = strftime(date, WHOLE[letter]!);
      return flag === '^' ? text.toUpperCase() : text;
    }
    // Python fills in %f itself, and leaves one with a flag to the C library, which does not know it.
    if (!Object.hasOwn(DIRECTIVES, letter) || (letter === 'f' && flag !== ''))
      throw new TemplateFault(`strftime_now: the directive ${whole} is not supported`);
    const value = DIRECTIVES[letter]!(date);
    if (flag === '^') return letter === 'P' ? value : value.toUpperCase();
    if (flag === '') return value;
    const bare = value.replace(/^[0 ]+(?=\d)/, '');
    return flag === '-' ? bare : bare.padStart(value.length, ' ');
  });
}
