// npm run bench -- methods [--peer PYTHON] [--dtype bf16|f32] [--prompt 128] [--answer 128] [--pairs 4] [--rank 16] [--checkpointing] [--groups]
//                          [--threads N] [--rounds N] [--json]
//
// A step of DPO of SmolLM2-135M's shape: 4 pairs of 2 x 256 tokens, of which 128 are the pair's prompt, LoRA of rank 16 on all linears; reference
// pass, forward, backward, clipping, AdamW. Ours four ways, prompts shared and not, reference in the step and cached. With --peer TRL's DPOTrainer
// turn by turn in the same run, same threads and number type. Tokens are those of all sequences as the user gave them, on every side.
// `--groups`: 1 group of 8 answers of 64 tokens to a prompt of 256, ours alone: what shared prompts save.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { DType } from '../../lib/native.js';
import { ceilings, describe, machine } from '../machine.js';
import { SMOLLM2_135M } from '../shapes.js';
import { withWeights } from '../sides/folder.js';
import { peerScript, Side } from '../sides/side.js';
import { asJson, table, takeTurns } from '../sides/turns.js';
import { type MethodWork, stepTokens, type Way } from './work.js';

const { values: options } = parseArgs({
  options: {
    peer: { type: 'string' },
    dtype: { type: 'string', default: 'bf16' },
    threads: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '3' },
    pairs: { type: 'string', default: '4' },
    prompt: { type: 'string', default: '128' },
    answer: { type: 'string', default: '128' },
    rank: { type: 'string', default: '16' },
    checkpointing: { type: 'boolean', default: false },
    groups: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const GROUP = { units: 1, members: 8, prompt: 256, answer: 64 };
const PAIRS = { units: Number(options.pairs), members: 2, prompt: Number(options.prompt), answer: Number(options.answer) };

const WAYS: Record<string, Way> = {
  attune: { shared: true, reference: 'every step' },
  'attune, reference cached': { shared: true, reference: 'cached' },
  'attune, prompts apart': { shared: false, reference: 'every step' },
  'attune, apart and cached': { shared: false, reference: 'cached' },
};

const here = machine();
const work: MethodWork = {
  network: SMOLLM2_135M,
  dtype: options.dtype as DType,
  threads: Number(options.threads) || here.cpus,
  rank: Number(options.rank),
  ...(options.groups ? GROUP : PAIRS),
  checkpointing: options.checkpointing,
};
const peer = options.groups ? undefined : options.peer;
const tops = [...new Set([1, work.threads])].map((threads) => ceilings(here.variant, threads));
if (!options.json) console.log(`${describe(here, tops)}\n`);
await withWeights(work, import.meta.url, async (worker, file) => {
  const starts = Object.entries(WAYS).map(
    ([name, way]) =>
      () =>
        new Side(name, process.execPath, [worker, file, JSON.stringify(way)]),
  );
  if (peer) starts.push(() => new Side('TRL', resolve(peer), [peerScript('trl_dpo.py'), file]));
  const turns = await takeTurns(starts, Number(options.rounds));
  const [tokens, base] = [stepTokens(work), peer ? 'TRL' : 'attune, prompts apart'];
  const { network: _, ...what } = work;
  if (options.json) console.log(JSON.stringify({ sides: asJson(turns, tokens, base), work: what, machine: here, ceilings: tops }));
  else {
    const of = `${work.units} x ${work.members} sequences of ${work.prompt} + ${work.answer} tokens, rank ${work.rank}`;
    console.log(`DPO, ${of}, ${work.dtype}, ${work.threads} threads, ${options.rounds} rounds\n${table(turns, tokens, base)}`);
  }
});
