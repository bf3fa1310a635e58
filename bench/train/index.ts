// npm run bench -- train [--peer PYTHON] [--dtype f32|bf16] [--model DIR] [--threads N] [--rounds N] [--recompute] [--json]
//
// A LoRA step (forward, backward, gradient norm, clipping, AdamW) of SmolLM2-135M's shape: 4 sequences of 512 tokens, rank 16, all linears. With
// --peer the same step in PyTorch + PEFT, turn by turn in the same run, same threads, same number type; the one that waits stands still.
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { addon } from '../../lib/native.js';
import { ceilingsTo, describe, giga, machine } from '../machine.js';
import { benchOptions } from '../options.js';
import { loraStepFlops, SMOLLM2_135M } from '../shapes.js';
import { weightsIn, withFolder, writeWork } from '../sides/folder.js';
import { type Program, peerScript, Side } from '../sides/side.js';
import { beside, type Figures, figures, takeTurns } from '../sides/turns.js';
import { freshAdapter } from '../weights.js';
import { type TrainWork, trainProgram } from './work.js';

const options = benchOptions({
  numbers: { rounds: 5, sequences: 4, length: 512, rank: 16 },
  switches: ['recompute'],
  paths: ['peer', 'model'],
});

/** Ours in this process, the peer in one of its own. */
async function measure(folder: string) {
  const tensors = checkpoint?.tensors ?? weightsIn(folder, network);
  const setting = { dtype, threads, train: 'adapter', recomputeActivations: recompute } as const;
  const model = await addon().loadModel({ config: network, tensors, ...setting });
  await model.setAdapter({ scale: 2, dropout: 0, targets: freshAdapter(network, rank) });
  const losses: number[] = [];
  const starts: (() => Program)[] = [() => trainProgram(model, work, losses)];
  if (peer) starts.push(() => new Side('peer', peer, [peerScript('torch_train.py'), writeWork(folder, work, tensors)]));
  const turns = await takeTurns(starts, options.rounds);
  const memory = Object.fromEntries(Object.entries(model.memory()).map(([part, bytes]) => [part, Math.round(bytes / 2 ** 20)]));
  model.dispose();
  return { own: turns.get('attune')!, other: turns.get('peer'), loss: { first: losses[0]!, last: losses.at(-1)! }, memory };
}

const checkpoint = options.model === undefined ? undefined : await openModelFolder(options.model);
const { dtype, threads, sequences, length, rank, recompute, peer } = options;
const network = checkpoint?.config ?? SMOLLM2_135M;
const work: TrainWork = { dtype, threads, sequences, length, rank, ...(checkpoint && { model: checkpoint.folder }), network };
const here = machine();
const ceilings = ceilingsTo(here.variant, threads);
if (!options.json) console.log(`${describe(here, ceilings)}\n`);
const { own, other, loss, memory } = await withFolder(measure);
const tokens = sequences * length;
const ours = figures(own, tokens);
const flops = loraStepFlops(network, sequences, length, rank);
const theirs = other && { ...figures(other, tokens), ...other.ready };
const against = other && beside(own, other);
const gflops = Number((flops / ours.secondsPerStep / 1e9).toFixed(1));
const share = flops / ours.secondsPerStep / ceilings.at(-1)![dtype];
const { network: _, ...what } = work;
const answer = {
  ...ours,
  ...(against && { peer: theirs, ratio: { median: against.median, min: against.least, max: against.most }, memoryRatio: against.memory }),
  gflops,
  shareOfCeiling: Number(share.toFixed(3)),
  loss,
  memoryMiB: memory,
  work: { ...what, recompute },
  machine: here,
  ceilings,
};
if (options.json) console.log(JSON.stringify(answer));
else {
  const says = (name: string, f: Figures) =>
    `${name.padEnd(8)} ${f.tokensPerSecond} tokens/s (${f.slowest} to ${f.fastest}), ${f.secondsPerStep} s a step, peak ${f.peakMiB} MiB`;
  console.log(`LoRA step, ${sequences} x ${length} tokens, rank ${rank}, ${dtype}, ${threads} threads, ${options.rounds} rounds`);
  console.log(
    `${says('attune', ours)}; ${giga(gflops * 1e9)} GFLOP/s, ${(100 * share).toFixed(0)} % of the ceiling; loss ${loss.first.toFixed(3)} → ${loss.last.toFixed(3)}`,
  );
  if (theirs && against)
    console.log(
      `${says('peer', theirs)}; torch ${other.ready.torch}\nratio    ${against.median} (${against.least} to ${against.most}) in speed, ${against.memory} in memory`,
    );
}
