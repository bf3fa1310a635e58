// npm run bench -- train [--peer PYTHON] [--dtype f32|bf16] [--model DIR] [--threads N] [--rounds N] [--recompute] [--json]
//
// A LoRA step (forward, backward, gradient norm, clipping, AdamW) of SmolLM2-135M's shape: 4 sequences of 512 tokens, rank 16, all linears. With
// --peer the same step in PyTorch + PEFT, turn by turn in the same run, same threads, same number type; the one that waits stands still.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type ModelFolder, openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { addon, type DType, type NativeModel } from '../../lib/native.js';
import { ceilings, describe, giga, machine, middle, sleep } from '../machine.js';
import { loraStepFlops, SMOLLM2_135M } from '../shapes.js';
import { Peer, type Work } from './peer.js';
import { freshAdapter, writeWeights } from './weights.js';

const { values: options } = parseArgs({
  options: {
    peer: { type: 'string' },
    dtype: { type: 'string', default: 'bf16' },
    model: { type: 'string' },
    threads: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '5' },
    sequences: { type: 'string', default: '4' },
    length: { type: 'string', default: '512' },
    rank: { type: 'string', default: '16' },
    recompute: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

/** Before a turn: what the other one left spinning comes to rest. */
const PAUSE_MS = 30;

interface Turns {
  seconds: number[];
  peakMiB: number;
}

async function loadNetwork(folder: string, work: Work): Promise<NativeModel> {
  const tensors = checkpoint?.tensors ?? writeWeights(join(folder, 'weights.bin'), work.network);
  const { network: config, dtype, threads, rank } = work;
  const model = await addon().loadModel({ config, tensors, dtype, threads, train: 'adapter', recomputeActivations: options.recompute });
  await model.setAdapter({ scale: 2, dropout: 0, targets: freshAdapter(config, rank) });
  return model;
}

/** The batch of every step: random ids, every token but the first of a sequence predicted. */
function batchOf({ network, sequences, length }: Work) {
  const tokens = Int32Array.from({ length: sequences * length }, (_, i) => (i * 7919 + ((i * i) % 4093) * 31) % network.vocabulary);
  const sequenceStarts = Int32Array.from({ length: sequences + 1 }, (_, s) => s * length);
  const targets = tokens.map((_, i) => ((i + 1) % length ? tokens[i + 1]! : -1));
  return { tokens, sequenceStarts, targets };
}

async function step(model: NativeModel, batch: ReturnType<typeof batchOf>, n: number): Promise<{ seconds: number; loss: number }> {
  const start = performance.now();
  const { logprob } = await model.forward(batch, { keep: true });
  await model.backward({ logprob: new Float32Array(logprob.length).fill(-1 / logprob.length) });
  const scale = Math.min(1, 1 / (await model.gradientNorm()));
  await model.step({ learningRate: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, scale, step: n });
  return { seconds: (performance.now() - start) / 1000, loss: -logprob.reduce((a, b) => a + b, 0) / logprob.length };
}

/** Round 0 of each is not measured: pages and caches settle, threads are started. */
async function takeTurns(model: NativeModel, work: Work, peer: Peer | undefined, rounds: number) {
  const [ours, theirs, losses]: [number[], number[], number[]] = [[], [], []];
  const batch = batchOf(work);
  for (let round = 0; round <= rounds; round++) {
    await sleep(PAUSE_MS);
    const own = await step(model, batch, round + 1);
    losses.push(own.loss);
    if (round) ours.push(own.seconds);
    if (!peer) continue;
    peer.resume();
    await sleep(PAUSE_MS);
    const seconds = await peer.step();
    if (round) theirs.push(seconds);
    peer.pause();
  }
  return { ours, theirs, losses };
}

async function run(work: Work, rounds: number) {
  const folder = mkdtempSync(join(tmpdir(), 'attune-bench-'));
  let peer: Peer | undefined;
  const leave = () => {
    peer?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  // A peer that stands still would stand for ever.
  process.once('exit', leave);
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => process.exit(status));
  try {
    const model = await loadNetwork(folder, work);
    if (options.peer) peer = new Peer(resolve(options.peer), work);
    const versions = await peer?.answer<Record<string, unknown>>();
    peer?.pause();
    const { ours, theirs, losses } = await takeTurns(model, work, peer, rounds);
    const own: Turns = { seconds: ours, peakMiB: addon().residentMemory().peak / 2 ** 20 };
    peer?.resume();
    const other: Turns | undefined = peer && { seconds: theirs, peakMiB: await peer.end() };
    const memory = Object.fromEntries(Object.entries(model.memory()).map(([part, bytes]) => [part, Math.round(bytes / 2 ** 20)]));
    model.dispose();
    return { own, other, versions, losses, memory };
  } finally {
    leave();
  }
}

const spread = (values: number[], digits: number) => {
  const round = (x: number) => Number(x.toFixed(digits));
  return { median: round(middle(values)), min: round(Math.min(...values)), max: round(Math.max(...values)) };
};

function figures(turns: Turns, tokens: number) {
  const { median, min, max } = spread(
    turns.seconds.map((s) => tokens / s),
    1,
  );
  return {
    tokensPerSecond: median,
    slowest: min,
    fastest: max,
    secondsPerStep: Number(middle(turns.seconds).toFixed(4)),
    peakMiB: Math.round(turns.peakMiB),
  };
}

const checkpoint: ModelFolder | undefined = options.model ? await openModelFolder(resolve(options.model)) : undefined;
const network = checkpoint?.config ?? SMOLLM2_135M;
const work: Work = {
  dtype: options.dtype as DType,
  threads: Number(options.threads) || machine().cpus,
  sequences: Number(options.sequences),
  length: Number(options.length),
  rank: Number(options.rank),
  ...(checkpoint && { model: checkpoint.folder }),
  network,
};
const here = machine();
const tops = [...new Set([1, work.threads])].map((threads) => ceilings(here.variant, threads));
if (!options.json) console.log(`${describe(here, tops)}\n`);
const { own, other, versions, losses, memory } = await run(work, Number(options.rounds));
const tokens = work.sequences * work.length;
const ours = figures(own, tokens);
const flops = loraStepFlops(network, work.sequences, work.length, work.rank);
const theirs = other && { ...figures(other, tokens), ...versions };
const ratio =
  other &&
  spread(
    own.seconds.map((s, n) => other.seconds[n]! / s),
    2,
  );
const share = flops / ours.secondsPerStep / tops.at(-1)![work.dtype];
const { network: _, ...what } = work;
const answer = {
  ...ours,
  ...(theirs && { peer: theirs, ratio, memoryRatio: Number((ours.peakMiB / theirs.peakMiB).toFixed(3)) }),
  gflops: Number((flops / ours.secondsPerStep / 1e9).toFixed(1)),
  shareOfCeiling: Number(share.toFixed(3)),
  loss: { first: losses[0], last: losses.at(-1) },
  memoryMiB: memory,
  work: { ...what, recompute: options.recompute },
  machine: here,
  ceilings: tops,
};
if (options.json) console.log(JSON.stringify(answer));
else {
  const says = (name: string, f: typeof ours) =>
    `${name.padEnd(8)} ${f.tokensPerSecond} tokens/s (${f.slowest} to ${f.fastest}), ${f.secondsPerStep} s a step, peak ${f.peakMiB} MiB`;
  console.log(
    `LoRA step, ${work.sequences} x ${work.length} tokens, rank ${work.rank}, ${work.dtype}, ${work.threads} threads, ${own.seconds.length} rounds`,
  );
  console.log(
    `${says('attune', ours)}; ${giga(answer.gflops * 1e9)} GFLOP/s, ${(100 * share).toFixed(0)} % of the ceiling; loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}`,
  );
  if (theirs)
    console.log(
      `${says('peer', theirs)}; torch ${versions?.torch}\nratio    ${ratio!.median} (${ratio!.min} to ${ratio!.max}) in speed, ${answer.memoryRatio} in memory`,
    );
}
