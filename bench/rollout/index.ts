// npm run bench -- rollout [--peer PYTHON] [--dtype bf16|f32] [--threads N] [--rounds N] [--prompts 16] [--samples 4] [--length 64] [--new 64] [--json]
//
// Answers of SmolLM2-135M's shape: 16 prompts of 64 tokens, 4 answers each of 64 new tokens, temperature 1, no end tokens. With --peer the same in
// transformers' generate, one batch with num_return_sequences, turn by turn in the same run, same threads, same number type.
import { ceilingsTo, describe, machine } from '../machine.js';
import { benchOptions } from '../options.js';
import { SMOLLM2_135M } from '../shapes.js';
import { withWeights } from '../sides/folder.js';
import { peerScript, Side } from '../sides/side.js';
import { takeTurns, tell } from '../sides/turns.js';
import { newTokens, type RolloutWork } from './work.js';

const options = benchOptions({ numbers: { rounds: 3, prompts: 16, samples: 4, length: 64, new: 64 }, paths: ['peer'] });

const here = machine();
const { dtype, threads, prompts, samples, rounds, peer, json } = options;
const work: RolloutWork = { network: SMOLLM2_135M, dtype, threads, prompts, samples, promptLength: options.length, newTokens: options.new };
const ceilings = ceilingsTo(here.variant, threads);
if (!json) console.log(`${describe(here, ceilings)}\n`);
await withWeights(work, import.meta.url, async (own, file) => {
  const starts = [own('attune')];
  if (peer) starts.push(() => new Side('transformers', peer, [peerScript('transformers_generate.py'), file]));
  const what = `${prompts} prompts of ${work.promptLength} tokens x ${samples} answers x ${work.newTokens} new tokens`;
  const base = peer ? 'transformers' : 'attune';
  tell(await takeTurns(starts, rounds), { what, work, tokens: newTokens(work), rounds, base, machine: here, ceilings }, json);
});
