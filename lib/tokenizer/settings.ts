/** The small files beside a tokenizer: special tokens, end ids, chat templates. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors/index.js';
import { isAbsent } from '../errors/system.js';
import { addedIn, counting, NAMES } from './added.js';
import type { AddedToken } from './format.js';
import { checkSettings } from './settings_shape.js';

/** A token in a settings file: its text, or an object that holds it. */
type TokenSetting = string | { content?: string } | null | undefined;

interface TokenizerConfig {
  add_bos_token?: boolean;
  legacy?: boolean;
  tokenizer_class?: string;
  chat_template?: string | { name: string; template: string }[] | null;
  [key: string]: unknown;
}

/** What the files beside a tokenizer say. */
export interface Settings {
  config: TokenizerConfig;
  /** `bos_token`, `eos_token`, `unk_token`, `pad_token`: texts by name, where named. */
  specialTokens: Record<string, string>;
  /** Templates by name; the plain one is `default`. */
  chatTemplates: Record<string, string>;
  /** `eos_token_id` of generation_config.json, else of config.json; empty where neither says. */
  endIds: number[];
  /** Tokens that the settings add to the tokenizer, by id; id -1 where they get the next free one. */
  added: AddedToken[];
}

/** @throws DataError `malformed_tokenizer` for a file that is there and is no JSON object */
export async function readSettings(folder: string): Promise<Settings> {
  const read = (name: string) => readJson(join(folder, name));
  const config: TokenizerConfig = (await read('tokenizer_config.json')) ?? {};
  const map = (await read('special_tokens_map.json')) ?? {};
  const added = (await read('added_tokens.json')) ?? {};
  checkSettings(config, join(folder, 'tokenizer_config.json'));
  checkSettings(map, join(folder, 'special_tokens_map.json'));
  const generation = (await read('generation_config.json')) ?? {};
  const model = (await read('config.json')) ?? {};
  return {
    config,
    specialTokens: { ...tokensIn(map), ...tokensIn(counting({ config, map })) },
    chatTemplates: { ...templatesIn(config), ...(await templateFiles(folder)) },
    endIds: idsOf(generation, join(folder, 'generation_config.json')) ?? idsOf(model, join(folder, 'config.json')) ?? [],
    added: addedIn({ config, map, added }),
  };
}

function tokensIn(settings: Record<string, unknown>): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of NAMES) {
    const value = settings[name] as TokenSetting;
    const content = typeof value === 'string' ? value : value?.content;
    if (content !== undefined) tokens[name] = content;
  }
  return tokens;
}

function templatesIn({ chat_template: template }: TokenizerConfig): Record<string, string> {
  if (typeof template === 'string') return { default: template };
  return Object.fromEntries((template ?? []).map((one) => [one.name, one.template]));
}

/** `chat_template.jinja`, and the templates of the folder `additional_chat_templates` by their names. */
async function templateFiles(folder: string): Promise<Record<string, string>> {
  const templates: Record<string, string> = {};
  const read = async (name: string, path: string) => {
    const text = await readIfThere(path);
    if (text !== undefined) templates[name] = text.toString('utf8');
  };
  const more = join(folder, 'additional_chat_templates');
  for (const file of await namesIn(more)) if (file.endsWith('.jinja')) await read(file.slice(0, -'.jinja'.length), join(more, file));
  await read('default', join(folder, 'chat_template.jinja'));
  return templates;
}

/** Names in a folder, in order; none where it is not there. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    if (isAbsent(cause)) return [];
    throw unreadable(cause, folder);
  }
}

/** `eos_token_id` of a file: one id or several; undefined where it names none. @throws DataError `malformed_tokenizer` */
function idsOf({ eos_token_id: value }: Record<string, unknown>, file: string): number[] | undefined {
  const ids: unknown[] = Array.isArray(value) ? value : value === null || value === undefined ? [] : [value];
  const wrong = ids.find((id) => !Number.isSafeInteger(id) || (id as number) < 0);
  if (wrong === undefined) return ids.length > 0 ? (ids as number[]) : undefined;
  const message = `eos_token_id: expected a whole number from 0 on, or a list of them, found ${JSON.stringify(wrong)}`;
  throw new DataError('malformed_tokenizer', message, { file });
}

/** A JSON object, or undefined where the file is missing. */
export async function readJson(file: string): Promise<Record<string, unknown> | undefined> {
  const bytes = await readIfThere(file);
  return bytes && parseJson(bytes.toString('utf8'), file);
}

/** @throws DataError `malformed_tokenizer` for a text that is no JSON object */
export function parseJson(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DataError('malformed_tokenizer', `expected JSON: ${cause instanceof Error ? cause.message : cause}`, { file, cause });
  }
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new DataError('malformed_tokenizer', 'expected a JSON object', { file });
}

/** A file's bytes, or undefined where there is none. */
export async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (cause) {
    if (isAbsent(cause)) return undefined;
    throw unreadable(cause, file);
  }
}

const unreadable = (cause: unknown, file: string) =>
  new DataError('unreadable_tokenizer', `cannot be read: ${cause instanceof Error ? cause.message : cause}`, { file, cause });
