/** The shape of the settings beside a tokenizer, checked where they are read. Keys that are not known here are left alone. */
import { DataError } from '../errors/index.js';
import { isObject } from './shape.js';

type Check = readonly [expected: string, holds: (value: unknown) => boolean];

const isText = (value: unknown) => typeof value === 'string';
const isToken = (value: unknown) => isText(value) || (isObject(value) && (value.content === undefined || isText(value.content)));
const isNamed = (value: unknown) => isObject(value) && isText(value.name) && isText(value.template);
const isIdText = (text: string) => /^\d{1,10}$/.test(text);

const CHECKS: Record<string, Check> = {
  chat_template: ['a text, or a list of objects with name and template', (v) => isText(v) || (Array.isArray(v) && v.every(isNamed))],
  added_tokens_decoder: [
    'an object of tokens by id',
    (v) => isObject(v) && Object.entries(v).every(([id, token]) => isIdText(id) && isToken(token)),
  ],
};
const TOKEN: Check = ['a text, or an object with content', isToken];
const TOKENS: Check = ['tokens, each a text or an object with content', (v) => (Array.isArray(v) ? v.every(isToken) : isObject(v))];

function checkOf(key: string): Check | undefined {
  if (/^(bos|eos|unk|sep|pad|cls|mask)_token$/.test(key)) return TOKEN;
  if (key === 'additional_special_tokens' || key === 'extra_special_tokens') return TOKENS;
  return Object.hasOwn(CHECKS, key) ? CHECKS[key] : undefined;
}

/** @throws DataError `malformed_tokenizer`, which names the key */
export function checkSettings(settings: Record<string, unknown>, file: string): void {
  for (const [key, value] of Object.entries(settings)) {
    const check = checkOf(key);
    if (check === undefined || value === null || check[1](value)) continue;
    throw new DataError('malformed_tokenizer', `${key}: expected ${check[0]}, found ${JSON.stringify(value).slice(0, 60)}`, { file });
  }
}
