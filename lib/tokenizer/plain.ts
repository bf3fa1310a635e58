/**
 * Which tokenizers the native library may read in this process. It is Rust, and answers much that it does
 * not expect (an empty pattern, a length of zero, a pattern that Oniguruma gives up on) by ending the
 * process. What is not known to be safe gets a process of its own.
 */
import { type Component, flatten, type TokenizerJson } from './format.js';
import { isObject } from './shape.js';

const PLAIN: Record<'normalizer' | 'pre_tokenizer' | 'post_processor' | 'decoder', readonly string[]> = {
  normalizer: ['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents', 'Strip', 'BertNormalizer', 'Prepend', 'Replace'],
  pre_tokenizer: ['ByteLevel', 'BertPreTokenizer', 'Digits', 'Metaspace', 'Split', 'Whitespace', 'WhitespaceSplit', 'Punctuation'],
  post_processor: ['ByteLevel', 'BertProcessing', 'RobertaProcessing', 'TemplateProcessing'],
  decoder: ['ByteLevel', 'ByteFallback', 'Fuse', 'Metaspace', 'Replace', 'Strip', 'WordPiece', 'BPEDecoder'],
};

/** Why a tokenizer gets a process of its own, or undefined where it needs none. */
export function notPlain(json: TokenizerJson): string | undefined {
  for (const [name, types] of Object.entries(PLAIN))
    for (const component of flatten(json[name as keyof typeof PLAIN])) {
      if (!types.includes(component.type)) return `${name} ${component.type}`;
      if (!isPlain(component)) return `the settings of ${name} ${component.type}`;
    }
  const { continuing_subword_prefix: prefix, end_of_word_suffix: suffix, type } = json.model;
  if (type === 'BPE' && (prefix || suffix)) return 'pieces of BPE with a prefix or suffix';
  if (json.added_tokens.some(({ content }) => content === '')) return 'an added token without text';
  return undefined;
}

function isPlain({ type, ...settings }: Component): boolean {
  if (type === 'Prepend') return settings.prepend !== '';
  if (type === 'TemplateProcessing') return hasItsTokens(settings);
  if (type !== 'Split' && type !== 'Replace') return true;
  const { String: text, Regex: regex } = (settings.pattern ?? {}) as { String?: unknown; Regex?: unknown };
  if (text !== undefined) return typeof text === 'string' && text !== '';
  return typeof regex === 'string' && isPlainPattern(regex);
}

/** Whether each special token of a template is one of its list. */
function hasItsTokens({ single, pair, special_tokens: tokens }: Record<string, unknown>): boolean {
  if (!isObject(tokens)) return false;
  return [single, pair].every(
    (items) =>
      items === undefined ||
      (Array.isArray(items) && items.every((item) => !item?.SpecialToken || Object.hasOwn(tokens, String(item.SpecialToken.id)))),
  );
}

/**
 * Whether matching a pattern at one place takes time linear in the text: no repeat of a group, and in each
 * alternative at most one repeat without a bound that something must follow (`\s*[\r\n]+`, where the last
 * repeat never fails once it matched). The patterns of GPT-2, GPT-4, Llama 3, Qwen, DeepSeek are so.
 */
export function isPlainPattern(pattern: string): boolean {
  if (pattern === '' || /\\(?:[1-9]|k|g)/.test(pattern)) return false; // empty, or a reference
  const flat = pattern
    .replace(/\\[pP]\{[^}]*\}|\\x\{[^}]*\}|\\./gs, 'a')
    .replace(/\[\^?\]?[^[\]]*\]/g, 'a')
    .replace(/\(\?i:[^()*+{]*\)\??$|\(\?i:[^()*+{]*\)\?(?=\|)/g, ''); // contractions, which hold no repeat
  if (/[[\]]|\)[*+{]|[*+}?][*+]/.test(flat)) return false; // classes in one another, repeats of groups and of repeats
  return flat.split('|').every((part) => (part.match(REPEAT) ?? []).length - Number(ENDS.test(part)) <= 1) && !manyInGroups(flat);
}

const REPEAT = /[*+]|\{\d*,\d*\}/g;
const ENDS = /(?:[*+]|\{\d*,\d*\})\)*$/;

/** Groups with alternatives could add up repeats that a split at `|` does not see together. */
const manyInGroups = (flat: string) => /\([^()]*[*+{][^()]*\)/.test(flat.replace(/\(\?[=!][^()*+{]*\)/g, '')) && flat.includes('|');
