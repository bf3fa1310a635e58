/** Messages of chats, in all the ways that data sets write them. */
import { DataError } from '../../errors/index.js';
import { isObject, JsonFault, parseJson } from '../../json/index.js';
import { kindOf } from '../read/values.js';
import { type ChatMessage, type Row, UNTRAINED } from '../types.js';
import { contentOf } from './content.js';
import { roleOf } from './roles.js';

/** `{ role, content }`, or ShareGPT's `{ from, value }`. */
const PLAIN = { role: 'role', content: 'content' };
const SHAREGPT = { role: 'from', content: 'value' };

/** Keys by which a message says whether it is trained: those of OpenAI and Mistral, of Axolotl, of ms-swift; and torchtune's `masked`, which says the contrary. */
const TRAINED_KEYS = ['weight', 'train', 'trained', 'training', 'loss'];
const MASKED_KEY = 'masked';

/**
 * The messages in a column, in either way of writing them. A message alone counts as a list of one; JSON text of a list as the list, in columns
 * that hold nothing else. Keys that are null count as not there, as transformers has it; further keys are kept for the template.
 * @throws DataError `bad_message`, `unknown_role`, `unsupported_part`
 */
export function messagesIn(row: Row, value: unknown, column: string): ChatMessage[] {
  const whole = isObject(value) ? [value] : fromText(value, column);
  return list(row, whole, column).map((message, n) => messageOf(row, message, `${column}[${n}]`));
}

/** Tables hold texts alone, and some data sets keep their chats as JSON text. */
function fromText(value: unknown, column: string): unknown {
  if (typeof value !== 'string' || !['messages', 'conversations'].includes(column) || !value.trimStart().startsWith('[')) return value;
  try {
    return parseJson(value);
  } catch (fault) {
    if (fault instanceof JsonFault) return value;
    throw fault;
  }
}

function messageOf(row: Row, given: Record<string, unknown>, at: string): ChatMessage {
  const message = withoutNulls(given);
  const keys = Object.hasOwn(message, SHAREGPT.role) && !Object.hasOwn(message, PLAIN.role) ? SHAREGPT : PLAIN;
  const { [keys.role]: name, [keys.content]: content, ...others } = message;
  const role = roleOf(row, roleName(row, name, `${at}.${keys.role}`), `${at}.${keys.role}`, keys === PLAIN);
  const { kept, isTrained } = trainedFlag(row, others, at);
  if (isTrained === true && role !== 'assistant')
    row.rules?.note('unused_key', `a flag to train messages of the role ${role}`, row, ANSWERS_ALONE);
  const rest = calling(row, keys === SHAREGPT ? templateKeys(kept) : kept, at);
  const isWithout = content === undefined && role === 'assistant' && Array.isArray(rest.tool_calls) && rest.tool_calls.length > 0;
  const said = isWithout ? {} : { content: contentOf(row, content, `${at}.${keys.content}`) };
  return { role, ...said, ...rest, ...(isTrained === false && { [UNTRAINED]: true }) };
}

const ANSWERS_ALONE = 'what is trained are the messages of the assistant';

/** Keys of an answer that chat templates print beside its content. */
export const ANSWER_KEYS = ['tool_calls', 'reasoning_content', 'reasoning', 'thinking'];
/** Keys that chat templates read of a message, beside its role and content. */
export const TEMPLATE_KEYS = [...ANSWER_KEYS, 'name'];

/** Of ShareGPT's turns only what templates know is kept: numbers and languages of turns are no content. */
const templateKeys = (turn: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(turn).filter(([key]) => [...TEMPLATE_KEYS, 'tool_call_id', 'function_call'].includes(key)));

const withoutNulls = (message: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null && value !== undefined));

function roleName(row: Row, name: unknown, at: string): string {
  if (typeof name === 'string') return name;
  const what = name === undefined ? 'missing' : kindOf(name);
  throw new DataError('bad_message', `${at} must be a text, not ${what}`, { file: row.file, line: row.line });
}

/** Takes the keys out that say whether a message is trained. Beside true and false 1 and 0 are known; a weight between them is no flag. */
function trainedFlag(row: Row, message: Record<string, unknown>, at: string): { kept: Record<string, unknown>; isTrained?: boolean } {
  const kept = { ...message };
  let isTrained: boolean | undefined;
  for (const key of [...TRAINED_KEYS, MASKED_KEY].filter((one) => Object.hasOwn(message, one))) {
    const flag = flagOf(message[key]);
    if (flag === undefined) {
      const what = `${at}.${key} must be 0 or 1, or false or true, not ${kindOf(message[key])}`;
      throw new DataError('bad_message', `${what}: a message is trained or not`, { file: row.file, line: row.line });
    }
    isTrained = flag !== (key === MASKED_KEY) && isTrained !== false;
    delete kept[key];
  }
  return { kept, ...(isTrained !== undefined && { isTrained }) };
}

function flagOf(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  const number = typeof value === 'object' && value !== null ? Number(value) : value;
  return number === 0 ? false : number === 1 ? true : undefined;
}

/** `tool_calls` as a list, where they are JSON text; OpenAI's older `function_call` as a list of one. */
function calling(row: Row, message: Record<string, unknown>, at: string): Record<string, unknown> {
  const { function_call: call, ...others } = message;
  if (call !== undefined && others.tool_calls === undefined) {
    const one = parsedText(row, call, `${at}.function_call`);
    return { ...others, tool_calls: [{ type: 'function', function: one }] };
  }
  if (typeof others.tool_calls !== 'string') return message;
  const calls = others.tool_calls.trim() === '' ? [] : parsedText(row, others.tool_calls, `${at}.tool_calls`);
  return { ...message, tool_calls: Array.isArray(calls) ? calls : [calls] };
}

function parsedText(row: Row, value: unknown, at: string): unknown {
  if (typeof value !== 'string') return value;
  try {
    return parseJson(value);
  } catch (cause) {
    throw new DataError('bad_message', `${at} is no JSON text: ${(cause as Error).message}`, { file: row.file, line: row.line, cause });
  }
}

function list(row: Row, value: unknown, column: string): Record<string, unknown>[] {
  const place = { file: row.file, line: row.line };
  if (!Array.isArray(value)) {
    const what = value === undefined ? 'missing' : kindOf(value);
    throw new DataError('bad_message', `${column} must be a list of messages, not ${what}`, place);
  }
  if (value.length === 0) throw new DataError('bad_message', `${column} is an empty list`, place);
  const wrong = value.findIndex((message) => !isObject(message));
  if (wrong >= 0) throw new DataError('bad_message', `${column}[${wrong}] must be an object, not ${kindOf(value[wrong])}`, place);
  return value;
}
