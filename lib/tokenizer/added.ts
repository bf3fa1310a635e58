/** Tokens that stand beside the tokenizer's own file: in tokenizer_config.json, or in added_tokens.json of older folders. */
import { DataError } from '../errors/index.js';
import { type AddedToken, type TokenizerJson, vocabularyOf } from './format.js';

/** A token as settings files write it. */
type Written = string | ({ content?: string } & Partial<Omit<AddedToken, 'id' | 'content'>>);

interface SettingsFiles {
  config: Record<string, unknown>;
  /** special_tokens_map.json: its tokens are special. */
  map: Record<string, unknown>;
  /** added_tokens.json: text → id. */
  added: Record<string, unknown>;
}

/** Names of special tokens, in the order in which those without an id get the next ones. */
export const NAMES = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/**
 * The settings that count, as transformers 5 reads them: where tokenizer_config.json has no `added_tokens_decoder`, a special_tokens_map.json of
 * an older folder goes before it.
 */
export const counting = ({ config, map }: Pick<SettingsFiles, 'config' | 'map'>) =>
  objectOf(config.added_tokens_decoder) === undefined ? { ...config, ...map } : config;

/**
 * Added tokens with their ids. `added_tokens_decoder` says all where it is there; added_tokens.json knows no flags.
 * Special tokens without an id get the next free one (id -1 here), in the order of transformers 5: those of `NAMES`, then other keys that end
 * with `_token`, then `extra_special_tokens`, or `additional_special_tokens` where there is no list of those.
 */
export function addedIn(files: SettingsFiles): AddedToken[] {
  const { config, map, added } = files;
  const decoder = objectOf(config.added_tokens_decoder);
  const special = new Set([...textsIn(map), ...textsIn(config)]);
  const older = Object.entries(added).map(([content, id]) => token(Number(id), { content, special: special.has(content) }));
  const tokens = decoder === undefined ? older : Object.entries(decoder).map(([id, one]) => token(Number(id), one as Written));
  const known = new Set(tokens.map(({ content }) => content));
  const fresh = new Map(namedIn(counting(files)).map((one) => [textOf(one), token(-1, withFlags(one))]));
  return [...tokens.sort((a, b) => a.id - b.id), ...[...fresh.values()].filter(({ content }) => !known.has(content))].filter(
    ({ content }) => content !== '',
  );
}

/** Special tokens of settings, in transformers' order. */
function namedIn(settings: Record<string, unknown>): Written[] {
  const { extra_special_tokens: extra, additional_special_tokens: additional } = settings;
  const others = Object.keys(settings).filter((name) => name.endsWith('_token') && !NAMES.includes(name));
  const named = [...NAMES, ...others].map((name) => settings[name]);
  return [...named, ...Object.values(objectOf(extra) ?? {}), ...(Array.isArray(extra) ? extra : listOf(additional))].filter(isToken);
}

const textOf = (one: Written) => (typeof one === 'string' ? one : (one.content ?? ''));
const withFlags = (one: Written): Written => (typeof one === 'string' ? { content: one, special: true } : { ...one, special: true });

function token(id: number, written: Written): AddedToken {
  const { content = '', special = false, ...flags } = typeof written === 'string' ? { content: written } : (written ?? {});
  const { lstrip = false, rstrip = false, single_word = false, normalized = !special } = flags;
  return { id, content, special, lstrip, rstrip, single_word, normalized };
}

const objectOf = (value: unknown) =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;

const isToken = (value: unknown): value is Written => typeof value === 'string' || typeof objectOf(value)?.content === 'string';

const listOf = (value: unknown): Written[] => (Array.isArray(value) ? value : []);

/** Texts of special tokens in a settings file, by whatever name. */
function textsIn(settings: Record<string, unknown>): string[] {
  const named = Object.keys(settings).filter((name) => name.endsWith('_token'));
  return [...named.map((name) => settings[name]), ...listOf(settings.additional_special_tokens)].filter(isToken).map(textOf);
}

/**
 * The tokenizer with the tokens of its settings; the same object where it has them all. An id may fill a hole between the tokens of
 * tokenizer.json, where those of the settings alone were left out.
 * @throws DataError `malformed_tokenizer` where an id is taken by another token, or ids in between stay free: the libraries count on
 */
export function withAdded(json: TokenizerJson, tokens: readonly AddedToken[], file: string): TokenizerJson {
  const own = new Map(json.added_tokens.map((one) => [one.content, one]));
  const missing = tokens.filter(({ content }) => !own.has(content));
  if (missing.length === 0) return json;
  const vocabulary = new Map(vocabularyOf(json.model));
  const taken = new Map([...vocabulary].map(([piece, id]) => [id, piece]));
  for (const { id, content } of json.added_tokens) taken.set(id, content);
  const added = missing.map((one) => {
    const id = vocabulary.get(one.content) ?? (one.id < 0 ? lastOf(taken) + 1 : one.id);
    if (taken.has(id) && !vocabulary.has(one.content))
      throw conflict(file, `${quoted(one.content)} has the id ${id}, which is ${quoted(taken.get(id)!)}'s`);
    taken.set(id, one.content);
    return { ...one, id };
  });
  const beyond = added.find(({ id }) => id > 0 && !taken.has(id - 1));
  if (beyond !== undefined)
    throw conflict(file, `${quoted(beyond.content)} has the id ${beyond.id}, and no token has the id ${beyond.id - 1}`);
  return { ...json, added_tokens: [...json.added_tokens, ...added].sort((a, b) => a.id - b.id) };
}

function lastOf(taken: ReadonlyMap<number, string>): number {
  let last = -1;
  for (const id of taken.keys()) last = Math.max(last, id);
  return last;
}

const quoted = (text: string) => JSON.stringify(text);

const conflict = (file: string, what: string) =>
  new DataError('malformed_tokenizer', `an added token of tokenizer_config.json does not fit the tokenizer: ${what}`, { file });
