/**
 * Patterns that come with an adapter. They are Python's (`re`), and foreign: RE2JS runs them in time linear in pattern and name, as it never
 * goes back. What it cannot run (references, lookarounds) is refused by name.
 */
import { RE2JS } from 're2js';
import type { DataError } from '../errors/index.js';

/** Most characters of a pattern; with counted repeats, each of which may stand for up to 1000 copies of what it repeats, fewer. */
const LONGEST = 20_000;
const LONGEST_COUNTED = 1_000;
/** Most instructions of a compiled pattern: 700 names of layers take 0.2 s at this size. */
const LARGEST = 20_000;

/** A pattern of one key of a file, and how a fault of it is told. */
export interface PatternPlace {
  fault(message: string): DataError;
}

/** @throws what `place.fault` makes, where the pattern is none or cannot be run */
export function compilePattern(pattern: string, place: PatternPlace): RE2JS {
  const shown = JSON.stringify(pattern.length > 60 ? `${pattern.slice(0, 60)}…` : pattern);
  const most = pattern.includes('{') ? LONGEST_COUNTED : LONGEST;
  const refuse = (why: string) => place.fault(`the pattern ${shown} ${why}; expected a list of names, or a simpler pattern`);
  if (pattern.length > most) throw refuse(`has ${pattern.length} characters, more than ${most}`);
  const compiled = compiledOrFault(pattern, refuse);
  if (compiled.programSize() > LARGEST) throw refuse('is too large when its repeats are written out');
  return compiled;
}

function compiledOrFault(pattern: string, refuse: (why: string) => DataError): RE2JS {
  if (/\[\[:|\\[QEzC]/.test(pattern)) throw refuse('is no pattern of Python');
  try {
    return RE2JS.compile(asRe2(pattern));
  } catch (cause) {
    throw refuse(`cannot be run (${(cause as Error).message.replace('error parsing regexp: ', '').slice(0, 80)})`);
  }
}

/** Python's spellings that RE2 has not, or reads otherwise: `\Z` is the end of the text, `{,n}` is `{0,n}`. */
const asRe2 = (pattern: string) =>
  pattern.replace(/\\Z|\\.|\{,(?=\d+\})/gs, (part) => (part === '\\Z' ? '\\z' : part === '{,' ? '{0,' : part));
