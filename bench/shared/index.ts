// npm run bench -- shared [--dtype f32|bf16] [--threads N] [--rounds N] [--json]
//
// What a prompt that is computed once for all its answers saves: a LoRA step (reference, forward, backward, clipping, AdamW) of SmolLM2-135M's shape over
// a pair (prompt of 256 tokens, two answers of 128) and over a group (256 + 8 x 64), packed with the prompt once and once with every answer, by turns.
import type { Tokens } from '../../lib/data/index.js';
import { backwardPass, forwardPass } from '../../lib/model/passes.js';
import { addon, type NativeModel } from '../../lib/native.js';
import { ceilings, describe, machine, middle, rest } from '../machine.js';
import { rowsOf } from '../methods/work.js';
import { benchOptions } from '../options.js';
import { SMOLLM2_135M } from '../shapes.js';
import { weightsIn, withFolder } from '../sides/folder.js';
import { freshAdapter } from '../weights.js';

const { dtype, threads, rounds, json } = benchOptions({ numbers: { rounds: 5 } });

const WORK = [
  { name: 'pair', units: 4, prompt: 256, members: 2, answer: 128 },
  { name: 'group', units: 1, prompt: 256, members: 8, answer: 64 },
];
type Work = (typeof WORK)[number];

/** One step, its reference in it. The gradient is any that is not zero: what it is made of costs nothing beside the passes. */
async function step(model: NativeModel, sequences: readonly Tokens[], n: number) {
  const start = performance.now();
  const reference = await forwardPass(model, sequences, { adapter: false });
  const { logprob } = await forwardPass(model, sequences, { keep: true });
  const gradient = Float32Array.from(logprob, (p, i) => (p - (reference.logprob[i] as number) - 1) / logprob.length);
  await backwardPass(model, { logprob: gradient });
  const gradientNorm = await model.gradientNorm();
  const move = { learningRate: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, step: n };
  await model.step({ ...move, scale: Math.min(1, 1 / gradientNorm) });
  return (performance.now() - start) / 1000;
}

/** Round 0 is not measured: pages settle, threads are started. Both forms take the same steps of their own. */
async function measure(model: NativeModel, work: Work, rounds: number) {
  const sequences = rowsOf({ ...work, network: SMOLLM2_135M });
  const seconds = { shared: [] as number[], whole: [] as number[] };
  for (let round = 0; round <= rounds; round++)
    for (const form of ['shared', 'whole'] as const) {
      model.sharesBeginnings = form === 'shared';
      await rest();
      const took = await step(model, sequences, 2 * round + (form === 'shared' ? 1 : 2));
      if (round > 0) seconds[form].push(took);
    }
  const { name, units, prompt, members, answer } = work;
  const tokens = { shared: units * (prompt + members * answer), whole: units * members * (prompt + answer) };
  const ratios = seconds.whole.map((whole, n) => whole / (seconds.shared[n] as number));
  const ratio = { median: middle(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
  return {
    name,
    units,
    prompt,
    answers: members,
    length: answer,
    tokens,
    seconds: { shared: middle(seconds.shared), whole: middle(seconds.whole) },
    ratio,
  };
}

const here = machine();
const setting = { dtype, threads, train: 'adapter', recomputeActivations: false } as const;
const found = await withFolder(async (folder) => {
  const tensors = weightsIn(folder, SMOLLM2_135M);
  const model = await addon().loadModel({ config: SMOLLM2_135M, tensors, ...setting });
  await model.setAdapter({ scale: 2, dropout: 0, targets: freshAdapter(SMOLLM2_135M, 16) });
  const cases = [];
  for (const work of WORK) cases.push(await measure(model, work, rounds));
  model.dispose();
  return cases;
});

if (json) console.log(JSON.stringify({ ...setting, machine: here, cases: found }));
else {
  console.log(`${describe(here, [ceilings(here.variant, threads)])}\n\nLoRA step with its reference, ${setting.dtype}, ${threads} threads`);
  for (const { name, units, prompt, answers, length, tokens, seconds, ratio } of found)
    console.log(
      `${name.padEnd(6)} ${units} x (${prompt} + ${answers} x ${length}): ${tokens.shared} tokens in ${seconds.shared.toFixed(3)} s, whole ${tokens.whole} in ${seconds.whole.toFixed(3)} s; ${ratio.median.toFixed(2)} times as fast (${ratio.least.toFixed(2)} to ${ratio.most.toFixed(2)})`,
    );
}
