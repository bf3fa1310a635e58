/** The shape of a `tokenizer.json`, checked before anything in it is used: what comes behind may trust it. */
import { DataError } from '../errors/index.js';
import { type AddedToken, type Component, flatten, LISTS, type TokenizerJson } from './format.js';

/** Deepest nesting of sequences. Files that are used have two levels. */
const DEEPEST = 32;
/** Most characters that a normaliser may make of one: rules that follow one another multiply. */
const MOST_GROWTH = 1000;
const COMPONENTS = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'] as const;
const TEXTS = ['unk_token', 'continuing_subword_prefix', 'end_of_word_suffix'];

type Fault = (what: string) => DataError;

/** @throws DataError `malformed_tokenizer`, which names the part */
export function checkShape(json: TokenizerJson, file: string): void {
  const fault: Fault = (what) => new DataError('malformed_tokenizer', what, { file });
  for (const name of COMPONENTS) checkComponent(json[name], name, 0, fault);
  checkTokens(json.added_tokens, fault);
  checkModel(json, fault);
  checkGrowth(flatten(json.normalizer), fault);
}

function checkComponent(component: unknown, name: string, depth: number, fault: Fault): void {
  if (component === null && depth === 0) return;
  if (!isObject(component) || typeof component.type !== 'string')
    throw fault(`${name}: expected ${depth > 0 ? '' : 'null or '}an object with a type, found ${shown(component)}`);
  if (depth > DEEPEST) throw fault(`${name}: has sequences in one another, more than ${DEEPEST} levels deep`);
  if (component.type !== 'Sequence') return;
  for (const list of LISTS) {
    const members = component[list];
    if (members === undefined) continue;
    if (!Array.isArray(members)) throw fault(`${name}.${list}: expected a list, found ${shown(members)}`);
    for (const member of members) checkComponent(member, `${name}.${list}`, depth + 1, fault);
  }
}

function checkTokens(tokens: unknown, fault: Fault): asserts tokens is AddedToken[] {
  if (!Array.isArray(tokens)) throw fault(`added_tokens: expected a list, found ${shown(tokens)}`);
  for (const [n, token] of tokens.entries())
    if (!isObject(token) || typeof token.content !== 'string' || !isId(token.id))
      throw fault(`added_tokens[${n}]: expected an object with content and a whole id, found ${shown(token)}`);
}

function checkModel({ model }: TokenizerJson, fault: Fault): void {
  const { vocab, merges, type } = model;
  if (Array.isArray(vocab) !== (type === 'Unigram'))
    throw fault(`model.vocab: expected ${type === 'Unigram' ? 'a list of pieces with scores' : 'pieces with their ids'} for ${type}`);
  if (Array.isArray(vocab)) {
    const bad = vocab.find((entry) => !Array.isArray(entry) || typeof entry[0] !== 'string' || typeof entry[1] !== 'number');
    if (bad !== undefined) throw fault(`model.vocab: expected a piece and its score, found ${shown(bad)}`);
  } else
    for (const [piece, id] of Object.entries(vocab))
      if (!isId(id)) throw fault(`model.vocab: expected a whole number, the id of ${shown(piece)}, found ${shown(id)}`);
  for (const name of TEXTS)
    if (!['string', 'undefined'].includes(typeof (model[name] ?? undefined)))
      throw fault(`model.${name}: expected a text, found ${shown(model[name])}`);
  if (merges === undefined && type !== 'BPE') return;
  if (!Array.isArray(merges) || !merges.every(isMerge)) throw fault('model.merges: expected a list of pairs of pieces');
}

const isMerge = (merge: unknown) =>
  typeof merge === 'string' || (Array.isArray(merge) && merge.length === 2 && merge.every((piece) => typeof piece === 'string'));

/** A few rules that each put a thousand characters in the place of one fill any memory. */
function checkGrowth(steps: readonly Component[], fault: Fault): void {
  let growth = 1;
  for (const { type, content, pattern } of steps) {
    if (type !== 'Replace') continue;
    const replaced = Math.max(1, (pattern as { String?: string } | undefined)?.String?.length ?? 1);
    growth *= Math.max(1, String(content).length / replaced);
  }
  if (growth > MOST_GROWTH) throw fault(`normalizer: makes ${Math.round(growth)} characters of one, more than ${MOST_GROWTH}`);
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** Ids are 32-bit numbers to the libraries. */
const isId = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;

/** A value of the file, cut. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
