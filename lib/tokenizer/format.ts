/**
 * The parts of a Hugging Face `tokenizer.json` that matter here. Everything else in such a file is kept and handed to the engine as it is.
 */

/** A string that is one id wherever it stands in a text. */
export interface AddedToken {
  id: number;
  content: string;
  /** Part of the frame (BOS, EOS, roles of a chat): left out where a decoder skips special tokens. */
  special: boolean;
  /** Takes the white space before it, or behind it, along. */
  lstrip: boolean;
  rstrip: boolean;
  /** Matched in the normalised text. */
  normalized: boolean;
  single_word: boolean;
}

/** A normaliser, pre-tokenizer, decoder or post-processor: a type with its own settings. */
export interface Component {
  type: string;
  [setting: string]: unknown;
}

export interface TokenizerModel {
  type: string;
  /** BPE: piece → id. Unigram: [piece, score] in order of ids. */
  vocab: Record<string, number> | [string, number][];
  merges?: string[] | [string, string][];
  byte_fallback?: boolean;
  unk_token?: string | null;
  [setting: string]: unknown;
}

export interface TokenizerJson {
  added_tokens: AddedToken[];
  normalizer: Component | null;
  pre_tokenizer: Component | null;
  post_processor: Component | null;
  decoder: Component | null;
  model: TokenizerModel;
  truncation?: unknown;
  padding?: unknown;
  version?: string;
}

export const LISTS = ['normalizers', 'pretokenizers', 'decoders', 'processors'] as const;

/** A component with the members of its sequences laid end to end. */
export function flatten(component: Component | null | undefined): Component[] {
  if (!component) return [];
  if (component.type !== 'Sequence') return [component];
  const members = LISTS.flatMap((name) => (component[name] as Component[] | undefined) ?? []);
  return members.flatMap(flatten);
}

/** Vocabulary entries [piece, id] of a model, whatever its type. */
export function vocabularyOf(model: TokenizerModel): [string, number][] {
  return Array.isArray(model.vocab) ? model.vocab.map(([piece], id) => [piece, id]) : Object.entries(model.vocab);
}

/** The character that stands for a space in SentencePiece pieces (U+2581). */
export const SPACE_MARK = '\u2581';
