/**
 * Cutting a long text into parts that can be tokenised alone, with the same ids as the whole. The engines hold some hundred bytes a
 * token while they work, so a book as one text would need gigabytes; parts also run on several threads.
 */
import { type Component, flatten, SPACE_MARK, type TokenizerJson } from './format.js';
import type { Normaliser } from './normalise.js';
import { WORDS } from './repair.js';

/** Where a text may be cut: before the space of "x y" between two letters. */
export interface ChunkRule {
  /** False where the tokenizer itself puts a space before every text: then the part behind the cut begins without its own. */
  keepsSpace: boolean;
}

/** Length of a part in UTF-16 units: large enough that the work on one outweighs handing it over, small beside the memory of a machine. */
export const CHUNK = 1 << 18;

const ENGLISH = "'s|'t|'re|'ve|'m|'ll|'d";
const REST = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** Patterns (GPT-2, Llama 3, Qwen 2) that cut between a letter and a space, wherever they start to look. */
const CUTTING_PATTERNS = [
  `${ENGLISH}| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`,
  ...['\\p{N}{1,3}', '\\p{N}'].map((digits) => `(?i:${ENGLISH})|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}|${REST}`),
];

const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD', 'Prepend'];

/** Whether a normaliser leaves the border between a letter and a space alone. */
const keepsBorder = ({ type, pattern }: Component) =>
  FORMS.includes(type) || (type === 'Replace' && /^( |[^ ]+)$/.test((pattern as { String?: string }).String ?? ''));

/** The rule for a tokenizer, or undefined where a cut might change ids: then long texts are tokenised whole. */
export function chunkRuleOf(json: TokenizerJson, { lead, rewrite }: Normaliser): ChunkRule | undefined {
  const tokensCross = json.added_tokens.some(
    ({ content, lstrip, rstrip, single_word }) => lstrip || rstrip || single_word || /\p{L}[ \u2581]/u.test(content),
  );
  const keeps = rewrite !== undefined && flatten(json.normalizer).every(keepsBorder);
  if (tokensCross || !keeps || !cuts(json)) return undefined;
  return { keepsSpace: lead === 'none' };
}

function cuts(json: TokenizerJson): boolean {
  const steps = flatten(json.pre_tokenizer);
  return steps.every((step) => ['ByteLevel', 'Digits', 'Metaspace'].includes(step.type) || isCutting(step)) && steps.some(isCutting);
}

function isCutting({ type, use_regex, split, pattern, behavior }: Component): boolean {
  if (type === 'ByteLevel') return use_regex !== false;
  if (type === 'Metaspace') return split !== false;
  const regex = (pattern as { Regex?: string } | undefined)?.Regex;
  return behavior === 'Isolated' && [...CUTTING_PATTERNS, (WORDS.pattern as { Regex: string }).Regex].includes(regex ?? '');
}

/** Parts of a text that are cut between words of plain letters. A text without such a place stays whole. */
export function chunks(text: string, rule: ChunkRule | undefined, size = CHUNK): string[] {
  if (!rule || text.length <= size) return [text];
  return cutAt(text, /[A-Za-z] (?=[A-Za-z])/g, size, rule.keepsSpace ? 0 : 1);
}

/** Parts of a text whose spaces are marks already. */
export function markedChunks(text: string, allowed: boolean, size = CHUNK): string[] {
  if (!allowed || text.length <= size) return [text];
  return cutAt(text, new RegExp(`[^${SPACE_MARK}]${SPACE_MARK}`, 'g'), size, 0);
}

/** Cuts behind the first character of a match; `dropped` characters behind the cut are left out. */
function cutAt(text: string, place: RegExp, size: number, dropped: number): string[] {
  const parts: string[] = [];
  let from = 0;
  while (text.length - from > size) {
    place.lastIndex = from + size;
    const found = place.exec(text);
    if (!found) break;
    parts.push(text.slice(from, found.index + 1));
    from = found.index + 1 + dropped;
  }
  parts.push(text.slice(from));
  return parts;
}
