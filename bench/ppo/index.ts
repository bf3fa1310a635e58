// npm run bench -- ppo [--dtype bf16|f32] [--prompts 16] [--length 64] [--new 64] [--rank 16] [--threads N] [--json]
//
// Memory of a PPO step of SmolLM2-135M's shape: policy with rollouts, value model, reference and reward model as adapters on one base, beside the sum of
// four programs that hold one of them each. Peaks are resident sets of processes of their own; what Node itself takes is told and left out of the sum.
import { describe, machine } from '../machine.js';
import { benchOptions } from '../options.js';
import { SMOLLM2_135M } from '../shapes.js';
import { withWeights } from '../sides/folder.js';
import { Side } from '../sides/side.js';
import { takeTurns } from '../sides/turns.js';
import { type PpoWork, ROLES } from './work.js';

const options = benchOptions({ numbers: { prompts: 16, length: 64, new: 64, rank: 16 } });

const here = machine();
const { dtype, threads, prompts, rank } = options;
const work: PpoWork = { network: SMOLLM2_135M, dtype, threads, prompts, promptLength: options.length, newTokens: options.new, rank };
if (!options.json) console.log(`${describe(here, [])}\n`);
await withWeights(work, import.meta.url, async (worker, file) => {
  const sides = [[], [...ROLES], ...ROLES.map((role) => [role])].map((roles) => ({
    roles,
    name: roles.length > 1 ? 'together' : (roles[0] ?? 'none'),
  }));
  const starts = sides.map(
    ({ roles, name }) =>
      () =>
        new Side(name, process.execPath, [worker, file, JSON.stringify(roles)]),
  );
  const turns = await takeTurns(starts, 1);
  const peak = Object.fromEntries([...turns].map(([name, { peakMiB }]) => [name, Math.round(peakMiB)]));
  const weights = Math.round([...turns.values()].at(-1)!.took.at(-1)!.weightsMiB!);
  // A program without a role holds Node and the base.
  const node = peak.none! - weights;
  const sum = ROLES.reduce((total, role) => total + peak[role]! - node, node);
  const { network: _, ...what } = work;
  if (options.json)
    return console.log(
      JSON.stringify({
        peakMiB: peak,
        weightsMiB: weights,
        nodeMiB: node,
        sumMiB: sum,
        ratio: peak.together! / sum,
        work: what,
        machine: here,
      }),
    );
  console.log(
    `PPO, ${work.prompts} prompts of ${work.promptLength} tokens, answers of ${work.newTokens}, rank ${work.rank}, ${work.dtype}; base ${weights} MiB, Node ${node} MiB`,
  );
  for (const [name, mib] of Object.entries(peak)) console.log(`${name.padEnd(12)} peak ${mib} MiB`);
  console.log(`four programs with one Node: ${sum} MiB; together ${peak.together} MiB, ${(peak.together! / sum).toFixed(2)} of that`);
});
