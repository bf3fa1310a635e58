// npm run bench -- pipeline [--steps N] [--json]
//
// What surrounds the arithmetic: how long a 10 ms timer waits at worst while training steps run (the event loop must stay free), and how fast
// text becomes ids, natively and in JavaScript.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { addon } from '../../lib/native.js';
import { openTokenizer } from '../../lib/tokenizer/index.js';
import { machine, middle } from '../machine.js';
import { orEnd } from '../options.js';
import { batchOf, trainStep } from '../train/work.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../../..');
const MODEL = resolve(root, 'models/embedded');
const TEXT = resolve(root, 'examples/data/field-notes.txt');
const TICK_MS = 10;

const { values: options } = orEnd(() =>
  parseArgs({ options: { steps: { type: 'string', default: '20' }, json: { type: 'boolean', default: false } } }),
);

/** Lateness of a timer of 10 ms, tick by tick, while `work` runs. */
async function lateness(work: () => Promise<void>): Promise<number[]> {
  const late: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(Math.max(0, now - last - TICK_MS));
    last = now;
  }, TICK_MS);
  await work();
  clearInterval(timer);
  return late;
}

/** Steps on all weights of the embedded model: 4 sequences of 512 tokens. */
async function trainingSteps(steps: number): Promise<{ late: number[]; secondsPerStep: number }> {
  const { config, tensors } = await openModelFolder(MODEL);
  const model = await addon().loadModel({ config, tensors, dtype: 'bf16', threads: 0, train: 'all', recomputeActivations: false });
  const batch = batchOf(config.vocabulary, 4, 512);
  const start = performance.now();
  const late = await lateness(async () => {
    for (let n = 1; n <= steps; n++) await trainStep(model, batch, n);
  });
  model.dispose();
  return { late, secondsPerStep: (performance.now() - start) / 1000 / steps };
}

/** Paragraphs of the text until a megabyte is together, five times: → MB/s, the middle */
async function tokenisation(engine: 'native' | 'javascript'): Promise<number | undefined> {
  const tokenizer = await openTokenizer(MODEL, { engine }).catch(() => undefined);
  if (!tokenizer) return undefined;
  const paragraphs = readFileSync(TEXT, 'utf8').split('\n\n');
  const rows: string[] = [];
  for (let bytes = 0, n = 0; bytes < 1e6; n++) {
    // A number at the end, so that no cache of texts can answer.
    rows.push(`${paragraphs[n % paragraphs.length]} ${n}`);
    bytes += Buffer.byteLength(rows.at(-1)!);
  }
  const megabytes = rows.reduce((total, row) => total + Buffer.byteLength(row), 0) / 1e6;
  const speeds: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    await tokenizer.encodeMany(rows);
    speeds.push(megabytes / ((performance.now() - start) / 1000));
  }
  return Number(middle(speeds).toFixed(2));
}

if (!existsSync(MODEL)) {
  process.stderr.write('attune: no models/embedded here; make it with `node examples/embedded-model/make.mjs`\n');
  process.exitCode = 2;
} else {
  const { late, secondsPerStep } = await trainingSteps(Number(options.steps));
  const sorted = [...late].sort((a, b) => a - b);
  const at = (share: number) => Number((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(2));
  const answer = {
    timer: { worstMs: at(1), p99Ms: at(0.99), medianMs: at(0.5), ticks: late.length, secondsPerStep: Number(secondsPerStep.toFixed(4)) },
    tokenisationMBs: { native: await tokenisation('native'), javascript: await tokenisation('javascript') },
    machine: machine(),
  };
  if (options.json) console.log(JSON.stringify(answer));
  else {
    const { timer, tokenisationMBs: speed } = answer;
    console.log(
      `timer of ${TICK_MS} ms during ${options.steps} steps (${timer.secondsPerStep} s each): late by ${timer.worstMs} ms at worst, 99 % below ${timer.p99Ms} ms, half below ${timer.medianMs} ms`,
    );
    console.log(
      `tokenisation: ${speed.native === undefined ? 'no native library' : `${speed.native} MB/s native`}, ${speed.javascript} MB/s in JavaScript`,
    );
  }
}
