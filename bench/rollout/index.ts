// npm run bench -- rollout [--peer PYTHON] [--dtype bf16|f32] [--threads N] [--rounds N] [--prompts 16] [--samples 4] [--length 64] [--new 64] [--json]
//
// Answers of SmolLM2-135M's shape: 16 prompts of 64 tokens, 4 answers each of 64 new tokens, temperature 1, no end tokens. With --peer the same in
// transformers' generate, one batch with num_return_sequences, turn by turn in the same run, same threads, same number type.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { DType } from '../../lib/native.js';
import { ceilings, describe, machine } from '../machine.js';
import { SMOLLM2_135M } from '../shapes.js';
import { withWeights } from '../sides/folder.js';
import { peerScript, Side } from '../sides/side.js';
import { asJson, table, takeTurns } from '../sides/turns.js';
import { newTokens, type RolloutWork } from './work.js';

const { values: options } = parseArgs({
  options: {
    peer: { type: 'string' },
    dtype: { type: 'string', default: 'bf16' },
    threads: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '3' },
    prompts: { type: 'string', default: '16' },
    samples: { type: 'string', default: '4' },
    length: { type: 'string', default: '64' },
    new: { type: 'string', default: '64' },
    json: { type: 'boolean', default: false },
  },
});

const here = machine();
const work: RolloutWork = {
  network: SMOLLM2_135M,
  dtype: options.dtype as DType,
  threads: Number(options.threads) || here.cpus,
  prompts: Number(options.prompts),
  samples: Number(options.samples),
  promptLength: Number(options.length),
  newTokens: Number(options.new),
};
const tops = [...new Set([1, work.threads])].map((threads) => ceilings(here.variant, threads));
if (!options.json) console.log(`${describe(here, tops)}\n`);
await withWeights(work, import.meta.url, async (worker, file) => {
  const starts = [() => new Side('attune', process.execPath, [worker, file])];
  if (options.peer) starts.push(() => new Side('transformers', resolve(options.peer!), [peerScript('transformers_generate.py'), file]));
  const turns = await takeTurns(starts, Number(options.rounds));
  const [tokens, base] = [newTokens(work), options.peer ? 'transformers' : 'attune'];
  const { network: _, ...what } = work;
  if (options.json) console.log(JSON.stringify({ sides: asJson(turns, tokens, base), work: what, machine: here, ceilings: tops }));
  else {
    const of = `${work.prompts} prompts of ${work.promptLength} tokens x ${work.samples} answers x ${work.newTokens} new tokens`;
    console.log(`${of}, ${work.dtype}, ${work.threads} threads, ${options.rounds} rounds\n${table(turns, tokens, base)}`);
  }
});
