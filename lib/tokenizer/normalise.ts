/**
 * What a tokenizer does to a text before its pieces are looked for, as far as it can be followed byte by byte: where it puts a space in
 * front, and how it rewrites characters.
 */
import { type Component, flatten, SPACE_MARK, type TokenizerJson } from './format.js';
import type { Spelling } from './pieces.js';

/** Which stretches of text get one space in front. A stretch is what stands between two added tokens. */
export type Lead =
  | 'none'
  /** Every one. */
  | 'each'
  /** The beginning of the whole text. */
  | 'begin'
  /** Every one that does not begin with a space. */
  | 'unlessSpace'
  /** The beginning of the whole text, unless it begins with a space. */
  | 'beginUnlessSpace';

export interface Normaliser {
  lead: Lead;
  /** A stretch of text as its pieces spell it. Undefined where the rules cannot be followed. */
  rewrite: ((text: string) => string) | undefined;
  /** True where `rewrite` changes nothing in any text. */
  identity: boolean;
}

const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'];

export function normaliserOf(json: TokenizerJson, spelling: Spelling): Normaliser {
  const steps = flatten(json.normalizer).filter(({ type }) => type !== 'Prepend');
  const rewrites = steps.map(rewriteOf);
  if (spelling === 'spaceMark') rewrites.push((text) => text.replaceAll(SPACE_MARK, ' '));
  const rewrite = rewrites.every((one) => one !== undefined) ? (text: string) => rewrites.reduce((so, one) => one!(so), text) : undefined;
  return { lead: leadOf(json), rewrite, identity: rewrites.length === 0 };
}

function leadOf(json: TokenizerJson): Lead {
  if (flatten(json.normalizer).some(({ type }) => type === 'Prepend')) return 'each';
  for (const component of flatten(json.pre_tokenizer)) {
    if (component.type === 'ByteLevel' && component.add_prefix_space === true) return 'unlessSpace';
    if (component.type === 'Metaspace') return metaspaceLead(component);
  }
  return 'none';
}

function metaspaceLead({ prepend_scheme, add_prefix_space }: Component): Lead {
  if (prepend_scheme === 'never' || (prepend_scheme === undefined && add_prefix_space === false)) return 'none';
  return prepend_scheme === 'first' ? 'beginUnlessSpace' : 'unlessSpace';
}

function rewriteOf({ type, pattern, content }: Component): ((text: string) => string) | undefined {
  if (FORMS.includes(type)) return (text) => text.normalize(type);
  const plain = (pattern as { String?: string } | undefined)?.String;
  if (type === 'Replace' && plain !== undefined) return (text) => text.replaceAll(plain, () => String(content));
  return undefined;
}

/** Whether a stretch gets a space in front. `first` says that it begins the whole text. */
export function hasLead(lead: Lead, stretch: string, first: boolean): boolean {
  if (stretch === '' || lead === 'none') return false;
  if (lead === 'each' || lead === 'begin') return lead === 'each' || first;
  if (stretch.startsWith(' ') || stretch.startsWith(SPACE_MARK)) return false;
  return lead === 'unlessSpace' || first;
}

// A character that may join the one before it under a normalisation form: marks, the later parts of a Hangul syllable, and the halfwidth
// voicing marks that become marks under NFKC.
const JOINS = /^[\p{M}\u1160-\u11ff\ud7b0-\ud7fb\uff9e\uff9f]/u;

const joins = (text: string, at: number) => isLowSurrogate(text, at) || JOINS.test(text.slice(at, at + 2));

/** Longest run of joining characters that is looked at one by one. */
const RUN = 256;

/** The place nearest to `at`, going by `step`, at which a text can be cut and its parts be rewritten alone. */
export function safeCut(text: string, at: number, step: 1 | -1, rewrite: (text: string) => string): number {
  let [low, high] = [at, at];
  while (low > 0 && joins(text, low)) low--;
  while (high < text.length && joins(text, high)) high++;
  if (low === at || high === at) return at;
  const end = step < 0 ? low : high;
  if (high - low > RUN) return end;
  const whole = rewrite(text.slice(low, high));
  const apart = (cut: number) => rewrite(text.slice(low, cut)) + rewrite(text.slice(cut, high)) === whole;
  for (let cut = at; cut !== end; cut += step) if (!isLowSurrogate(text, cut) && apart(cut)) return cut;
  return end;
}

/** Whether `at` lies inside a surrogate pair. */
export function isLowSurrogate(text: string, at: number): boolean {
  return at > 0 && (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}
