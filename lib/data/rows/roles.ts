/** Roles of messages: what data sets call them → what chat templates call them. */
import { DataError, nearest } from '../../errors/index.js';
import type { Row } from '../types.js';

/**
 * Names in small letters. A call of a function is the assistant's own text and is trained as such; what came back from it is a message of the
 * tool.
 */
const ROLES: Readonly<Record<string, string>> = {
  system: 'system',
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
  chatgpt: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  model: 'assistant',
  bot: 'assistant',
  ai: 'assistant',
  function_call: 'assistant',
  tool_call: 'assistant',
  tool_calls: 'assistant',
  tool: 'tool',
  tools: 'tool',
  tool_response: 'tool',
  tool_result: 'tool',
  function: 'tool',
  function_response: 'tool',
  observation: 'tool',
};

/** Roles that some chat templates have beside the four of all: they keep their name. */
const KEPT = ['developer', 'ipython', 'documents', 'context'];

/** What a recipe says of roles: name in the data → name for the chat template. */
export type RoleMap = Readonly<Record<string, string>>;

/** The role of a chat template, or undefined where a name is not known. */
function knownRole(name: string, own: RoleMap): string | undefined {
  if (Object.hasOwn(own, name)) return own[name];
  const small = name.trim().toLowerCase();
  if (Object.hasOwn(ROLES, small)) return ROLES[small];
  return KEPT.includes(small) ? small : undefined;
}

/**
 * @param at place of the name in the row
 * @param isFree names that are not known go to the template as they stand, unless they look misspelt: it may know them
 * @throws DataError `unknown_role`
 */
export function roleOf(row: Row, name: string, at: string, isFree: boolean): string {
  const { roles = {} } = row.rules ?? {};
  const role = knownRole(name, roles);
  if (role !== undefined) return role;
  const known = [...Object.keys(roles), ...Object.keys(ROLES), ...KEPT];
  const guess = nearest(name.trim().toLowerCase(), known);
  if (isFree && guess === undefined && name !== '') {
    row.rules?.note('unknown_role', name, row);
    return name;
  }
  const hint = guess === undefined ? '' : `; did you mean ${guess}?`;
  const way = `roles: { ${JSON.stringify(name)}: user } in the recipe says what a role is`;
  const message = `${at} is ${JSON.stringify(name)}; known are ${known.join(', ')}${hint} (${way})`;
  throw new DataError('unknown_role', message, { file: row.file, line: row.line });
}
