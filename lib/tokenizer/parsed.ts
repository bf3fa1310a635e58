/** A tokenizer in the form of `tokenizer.json`, whatever it was read from. */
import { DataError } from '../errors/index.js';
import { withAdded } from './added.js';
import { chunkRuleOf, chunks } from './chunks.js';
import { type EngineName, openEngine } from './engine.js';
import { type Component, flatten, type TokenizerJson } from './format.js';
import { normaliserOf } from './normalise.js';
import { pieceTable, spellingOf } from './pieces.js';
import { splitAtSpaces } from './repair.js';
import type { Settings } from './settings.js';
import { checkShape } from './shape.js';
import type { TokenizerParts } from './tokenizer.js';

/**
 * @param source its text, where it was read from one
 * @throws DataError `unsupported_tokenizer`, `missing_eos`
 */
export async function openParsed(
  own: TokenizerJson,
  file: string,
  settings: Settings,
  wanted: EngineName | 'auto',
  source?: string,
): Promise<TokenizerParts> {
  checkShape(own, file);
  const json = withAdded(own, settings.added, file);
  const spelling = spellingOf(json, file);
  const pieces = pieceTable(json.model, json.added_tokens, spelling, file);
  const split = splitAtSpaces(json);
  const engine = await openEngine(split, file, wanted, split === own ? source : undefined);
  const normaliser = normaliserOf(json, spelling);
  const rule = chunkRuleOf(split, normaliser);
  const eos = eosOf(json, file, settings);
  const [[plain], framed] = [await engine.encode(['a']), await engine.frame('a')];
  return {
    engine,
    file,
    pieces,
    normaliser,
    stripsLead: spelling === 'wordPiece' || flatten(json.decoder).some(strips),
    parts: (content) => chunks(content, rule),
    bos: framed[0] !== undefined && framed[0] !== plain?.[0] ? framed[0] : null,
    eos,
    ends: settings.endIds.length > 0 ? settings.endIds : [eos],
    specialTokens: settings.specialTokens,
    chatTemplates: settings.chatTemplates,
  };
}

/** Whether a decoder takes one space off the beginning of a text. */
const strips = ({ type, start, content, prepend_scheme }: Component) =>
  (type === 'Strip' && content === ' ' && Number(start) > 0) || (type === 'Metaspace' && prepend_scheme !== 'never');

function eosOf(json: TokenizerJson, file: string, { specialTokens, endIds }: Settings): number {
  const name = specialTokens.eos_token;
  if (name === undefined) {
    if (endIds[0] !== undefined) return endIds[0];
    throw new DataError('missing_eos', 'no end token: expected eos_token in tokenizer_config.json', { file });
  }
  const id = json.added_tokens.find(({ content }) => content === name)?.id ?? (json.model.vocab as Record<string, number>)[name];
  if (typeof id === 'number') return id;
  throw new DataError('missing_eos', `the tokenizer has no token ${JSON.stringify(name)}, the eos_token of tokenizer_config.json`, {
    file,
  });
}
