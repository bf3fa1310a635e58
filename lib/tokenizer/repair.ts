/**
 * What a `tokenizer.json` needs before an engine reads it: faults of the pure JavaScript engine put right by saying the same thing in
 * other words, and one split that makes SentencePiece-style files quick. Nothing here changes an id.
 */
import { type Component, flatten, SPACE_MARK, type TokenizerJson, vocabularyOf } from './format.js';

const isolated = (Regex: string): Component => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false });

/** A word with the spaces before it. */
export const WORDS = isolated(`${SPACE_MARK}+[^${SPACE_MARK}]*`);

/**
 * True where no piece holds a space mark behind another character. Merges then never cross the border between a word and the spaces
 * after it, so that cutting there before the merges gives the same ids. (Without a cut a whole book is one word to the engine.)
 */
export function wordsStandAlone(pieces: Iterable<string>): boolean {
  const inner = new RegExp(`[^${SPACE_MARK}]${SPACE_MARK}`);
  for (const piece of pieces) if (inner.test(piece)) return false;
  return true;
}

/** Cuts a text at its space marks where the file itself cuts nothing and the vocabulary allows it. */
export function splitAtSpaces(json: TokenizerJson): TokenizerJson {
  const [first, ...more] = flatten(json.pre_tokenizer);
  const uncut = first === undefined || (first.type === 'Metaspace' && first.split === false && more.length === 0);
  if (!uncut || json.model.type !== 'BPE' || !wordsStandAlone(vocabularyOf(json.model).map(([piece]) => piece))) return json;
  return { ...json, pre_tokenizer: first ? sequence([first, WORDS]) : WORDS };
}

/** Says to `@huggingface/tokenizers` 0.2.0 what it would otherwise read wrongly. */
export function forJavaScript(json: TokenizerJson): TokenizerJson {
  return { ...json, pre_tokenizer: json.pre_tokenizer && sequence(flatten(json.pre_tokenizer).flatMap(spellOut)) };
}

function spellOut(component: Component): Component[] {
  // It splits on \d: Ⅷ, ½ and ⑩ are numbers to the Rust library as well.
  if (component.type === 'Digits') return [isolated(component.individual_digits ? '\\p{N}' : '\\p{N}+')];
  if (component.type === 'Metaspace') return metaspace(component);
  return [component];
}

/** It knows neither the older `add_prefix_space` nor `split` (true where nothing is said: every mark begins a word). */
function metaspace(component: Component): Component[] {
  const never = component.prepend_scheme === undefined && component.add_prefix_space === false;
  const scheme = never ? { ...component, prepend_scheme: 'never' } : component;
  return component.split === false ? [scheme] : [scheme, isolated(`${SPACE_MARK}[^${SPACE_MARK}]*`)];
}

const sequence = (members: Component[]): Component => (members.length === 1 ? members[0]! : { type: 'Sequence', pretokenizers: members });
