/** Whether two models that meet in a run (policy and reference, teacher, judge) read the same ids: a vocabulary of the same size may be another one. */
import { join } from 'node:path';
import { exists } from '../../checkpoint/files.js';
import type { ModelFolder } from '../../checkpoint/model_folder.js';
import { DataError } from '../../errors/index.js';
import { openTokenizer, type Tokenizer } from '../../tokenizer/index.js';

/** What the policy is: its base, and how it reads texts. */
export interface Policy {
  base: ModelFolder;
  tokenizer: Tokenizer;
}

/** Files of which one is there where a folder has a tokenizer. */
const TOKENIZERS = ['tokenizer.json', 'tokenizer.model', 'vocab.json'];

/** A judge that reads other ids than the policy writes would judge another text. */
export async function checkTokenizer(folder: string, judge: string, { tokenizer }: Policy, who = 'reward model'): Promise<void> {
  const found = await Promise.all(TOKENIZERS.map((name) => exists(join(folder, name))));
  if (!found.includes(true)) return;
  const own = await openTokenizer(folder);
  const differs = firstDifference(own, tokenizer);
  if (differs === undefined) return;
  const message = `the ${who}’s tokenizer is not the policy's: ${differs}; take a ${who} on the policy's own base`;
  throw new DataError('tokenizer_differs', message, { file: judge });
}

function firstDifference(judge: Tokenizer, policy: Tokenizer): string | undefined {
  if (judge.vocabularySize !== policy.vocabularySize) return `it has ${judge.vocabularySize} pieces, the policy's ${policy.vocabularySize}`;
  if (judge.eos !== policy.eos) return `its end token is ${judge.eos}, the policy's ${policy.eos}`;
  for (let id = 0; id < policy.vocabularySize; id++) {
    if (Buffer.compare(judge.tokenBytes(id), policy.tokenBytes(id)) === 0) continue;
    return `id ${id} is ${JSON.stringify(judge.tokenText(id))}, the policy's ${JSON.stringify(policy.tokenText(id))}`;
  }
  return undefined;
}
