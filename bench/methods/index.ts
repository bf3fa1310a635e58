// npm run bench -- methods [--peer PYTHON] [--dtype bf16|f32] [--prompt 128] [--answer 128] [--pairs 4] [--rank 16] [--checkpointing] [--groups]
//                          [--threads N] [--rounds N] [--json]
//
// A step of DPO of SmolLM2-135M's shape: 4 pairs of 2 x 256 tokens, of which 128 are the pair's prompt, LoRA of rank 16 on all linears; reference
// pass, forward, backward, clipping, AdamW. Ours four ways, prompts shared and not, reference in the step and cached. With --peer TRL's DPOTrainer
// turn by turn in the same run, same threads and number type. Tokens are those of all sequences as the user gave them, on every side.
// `--groups`: 1 group of 8 answers of 64 tokens to a prompt of 256, ours alone: what shared prompts save.
import { ceilingsTo, describe, machine } from '../machine.js';
import { benchOptions } from '../options.js';
import { SMOLLM2_135M } from '../shapes.js';
import { withWeights } from '../sides/folder.js';
import { peerScript, Side } from '../sides/side.js';
import { takeTurns, tell } from '../sides/turns.js';
import { type MethodWork, stepTokens, type Way } from './work.js';

const options = benchOptions({
  numbers: { rounds: 3, pairs: 4, prompt: 128, answer: 128, rank: 16 },
  switches: ['checkpointing', 'groups'],
  paths: ['peer'],
});

const GROUP = { units: 1, members: 8, prompt: 256, answer: 64 };
const PAIRS = { units: options.pairs, members: 2, prompt: options.prompt, answer: options.answer };

const WAYS: Record<string, Way> = {
  attune: { shared: true, reference: 'every step' },
  'attune, reference cached': { shared: true, reference: 'cached' },
  'attune, prompts apart': { shared: false, reference: 'every step' },
  'attune, apart and cached': { shared: false, reference: 'cached' },
};

const here = machine();
const { dtype, threads, rank, rounds, checkpointing, json } = options;
const work: MethodWork = { network: SMOLLM2_135M, dtype, threads, rank, ...(options.groups ? GROUP : PAIRS), checkpointing };
const peer = options.groups ? undefined : options.peer;
const ceilings = ceilingsTo(here.variant, threads);
if (!json) console.log(`${describe(here, ceilings)}\n`);
await withWeights(work, import.meta.url, async (own, file) => {
  const starts = Object.entries(WAYS).map(([name, way]) => own(name, way));
  if (peer) starts.push(() => new Side('TRL', peer, [peerScript('trl_dpo.py'), file]));
  const what = `DPO, ${work.units} x ${work.members} sequences of ${work.prompt} + ${work.answer} tokens, rank ${rank}`;
  const base = peer ? 'TRL' : 'attune, prompts apart';
  tell(await takeTurns(starts, rounds), { what, work, tokens: stepTokens(work), rounds, base, machine: here, ceilings }, json);
});
