// npm run bench -- ppo [--dtype bf16|f32] [--prompts 16] [--length 64] [--new 64] [--rank 16] [--threads N] [--json]
//
// Memory of a PPO step of SmolLM2-135M's shape: policy with rollouts, value model, reference and reward model as adapters on one base, beside the sum of
// four programs that hold one of them each. Peaks are resident sets of processes of their own; what Node itself takes is told and left out of the sum.
import { describe, machine } from '../machine.js';
import { benchOptions } from '../options.js';
import { SMOLLM2_135M } from '../shapes.js';
import { withWeights } from '../sides/folder.js';
import { takeTurns } from '../sides/turns.js';
import { type PpoWork, ROLES } from './work.js';

const options = benchOptions({ numbers: { prompts: 16, length: 64, new: 64, rank: 16 } });

const here = machine();
const { dtype, threads, prompts, rank } = options;
const work: PpoWork = { network: SMOLLM2_135M, dtype, threads, prompts, promptLength: options.length, newTokens: options.new, rank };
if (!options.json) console.log(`${describe(here, [])}\n`);
await withWeights(work, import.meta.url, async (own) => {
  const sides = [[], [...ROLES], ...ROLES.map((role) => [role])];
  const nameOf = (roles: readonly string[]) => (roles.length > 1 ? 'together' : (roles[0] ?? 'none'));
  const turns = await takeTurns(
    sides.map((roles) => own(nameOf(roles), roles)),
    1,
  );
  const peakMiB = Object.fromEntries([...turns].map(([name, one]) => [name, Math.round(one.peakMiB)]));
  const weightsMiB = Math.round([...turns.values()].at(-1)!.took.at(-1)!.weightsMiB!);
  // A program without a role holds Node and the base.
  const nodeMiB = peakMiB.none! - weightsMiB;
  const sumMiB = ROLES.reduce((total, role) => total + peakMiB[role]! - nodeMiB, nodeMiB);
  tell({ peakMiB, weightsMiB, nodeMiB, sumMiB, ratio: peakMiB.together! / sumMiB });
});

interface Memory {
  /** By name of the side. */
  peakMiB: Record<string, number>;
  weightsMiB: number;
  nodeMiB: number;
  sumMiB: number;
  ratio: number;
}

function tell(found: Memory): void {
  const { network: _, ...what } = work;
  if (options.json) {
    console.log(JSON.stringify({ ...found, work: what, machine: here }));
    return;
  }
  const { peakMiB, weightsMiB, nodeMiB, sumMiB, ratio } = found;
  console.log(
    `PPO, ${prompts} prompts of ${work.promptLength} tokens, answers of ${work.newTokens}, rank ${rank}, ${dtype}; base ${weightsMiB} MiB, Node ${nodeMiB} MiB`,
  );
  for (const [name, mib] of Object.entries(peakMiB)) console.log(`${name.padEnd(12)} peak ${mib} MiB`);
  console.log(`four programs with one Node: ${sumMiB} MiB; together ${peakMiB.together} MiB, ${ratio.toFixed(2)} of that`);
}
