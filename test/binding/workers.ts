// A process that starts worker threads and terminates each in the middle of native work: a step, a generation, a load.
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { ADDON, FIXTURES, family, storedTensors } from '../transformer/fixtures.js';

const WORKER = `
  const { parentPort, workerData: { native, options, kind } } = require('node:worker_threads');
  const { loadModel } = require(native);
  const { hidden, heads, headSize } = options.config;
  const of = (count) => new Float32Array(count).fill(0.01);
  const adapter = { train: true, scale: 1, dropout: 0, targets: [
    { name: 'model.layers.0.self_attn.q_proj', rank: 4, a: of(4 * hidden), b: of(4 * heads * headSize) }] };
  const N = 512, batch = { tokens: new Int32Array(N), sequenceStarts: Int32Array.of(0, N), targets: new Int32Array(N) };
  const work = {
    async step(m) { await m.forward(batch, { keep: true }); await m.backward({ logprob: of(N) }); await m.step({ learningRate: 1e-3, step: 1 }); },
    async queue(m) { await Promise.all(Array.from({ length: 20 }, () => m.logits(batch.tokens, batch.sequenceStarts))); },
    async rollout(m) { await m.startRollout({ prompts: [Int32Array.of(1, 2)], samples: 16, maxNewTokens: 100000 }).advance(1 << 30); },
    async load() { const m = await loadModel(options); m.dispose(); },
  };
  (async () => {
    const model = await loadModel(options);
    await model.setAdapter(adapter);
    parentPort.postMessage('ready');
    for (;;) await work[kind](model);
  })();`;

const PROCESS = `
  const { Worker } = require('node:worker_threads');
  const [native, options, count] = JSON.parse(process.argv[1]);
  const kinds = ['step', 'queue', 'rollout', 'load'];
  (async () => {
    const codes = {};
    const one = async (i) => {
      const worker = new Worker(${JSON.stringify(WORKER)}, { eval: true, workerData: { native, options, kind: kinds[i % 4] } });
      await new Promise((ready, failed) => worker.once('message', ready).once('error', failed));
      await new Promise((later) => setTimeout(later, (i * 7) % 40));
      const code = await worker.terminate();
      codes[code] = (codes[code] ?? 0) + 1;
    };
    for (let i = 0; i < count; i += 4) await Promise.all([0, 1, 2, 3].map((n) => one(i + n)));
    const threads = require('node:fs').readdirSync('/proc/self/task').length;
    // The addon still works here.
    const model = await require(native).loadModel(options);
    const logits = await model.logits(Int32Array.of(1, 2), Int32Array.of(0, 2));
    console.log(JSON.stringify({ codes, threads, finite: logits.every(Number.isFinite) }));
  })();`;

export interface Ended {
  codes: Record<string, number>;
  threads: number;
  finite: boolean;
}

/** Runs `count` workers, four at a time; a crash of the process rejects. */
export async function terminateWorkers(count: number): Promise<Ended> {
  const tensors = storedTensors(resolve(FIXTURES, 'llama/model.safetensors'));
  const options = { config: family('llama').network, tensors, dtype: 'f32', threads: 2, train: 'none', recomputeActivations: false };
  const native = ADDON;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', PROCESS, JSON.stringify([native, options, count])]);
  return JSON.parse(stdout) as Ended;
}
