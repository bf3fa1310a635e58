import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkVocabulary, openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { readTensor } from '../../lib/checkpoint/safetensors.js';
import { DataError } from '../../lib/errors/index.js';
import { stories260k, WITHOUT } from '../support/shared.js';
import {
  type RawTensor,
  scratchFolder,
  TINY_CONFIG,
  type TinyOptions,
  tinyTensors,
  writeTinyModel,
  writeWeights,
} from '../support/tiny_model.js';

const scratch = scratchFolder();
let folders = 0;
const model = (options: TinyOptions = {}) => writeTinyModel(join(scratch, `m${++folders}`), { tokenizer: false, ...options });

async function fault(folder: string): Promise<DataError> {
  const error = await openModelFolder(folder).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

/** A model folder whose tensors were bent after config.json was written. */
function withTensors(change: (tensors: RawTensor[]) => RawTensor[], options: TinyOptions = {}): string {
  const folder = model(options);
  writeWeights(folder, change(tinyTensors(JSON.parse(JSON.stringify({ ...TINY_CONFIG, ...options.config })))));
  return folder;
}

const UP = 'model.layers.1.mlp.up_proj.weight';

describe('a model folder', () => {
  it('is opened from one file and from shards, in the same order', async () => {
    const [one, three] = [await openModelFolder(model()), await openModelFolder(model({ shards: 3 }))];
    expect(three.tensors.map(({ name }) => name)).toEqual(one.tensors.map(({ name }) => name));
    expect(new Set(three.tensors.map(({ path }) => path)).size).toBe(3);
    for (const [n, tensor] of one.tensors.entries()) expect(await readTensor(three.tensors[n] as never)).toEqual(await readTensor(tensor));
  });

  it('may hold a copy of a tied head and old constants', async () => {
    const extra = (tensors: RawTensor[]) => [
      ...tensors,
      { ...(tensors[0] as RawTensor), name: 'lm_head.weight' },
      { name: 'model.layers.0.self_attn.rotary_emb.inv_freq', dtype: 'F32', shape: [4], bytes: new Uint8Array(16) },
    ];
    const opened = await openModelFolder(withTensors(extra));
    expect(opened.headCopy?.name).toBe('lm_head.weight');
    expect(opened.tensors.map(({ name }) => name)).not.toContain('lm_head.weight');
  });

  it('is refused where a tied head is no copy', async () => {
    const other = (tensors: RawTensor[]) => {
      const bytes = (tensors[0] as RawTensor).bytes.slice();
      bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 1;
      return [...tensors, { ...(tensors[0] as RawTensor), name: 'lm_head.weight', bytes }];
    };
    expect((await fault(withTensors(other))).message).toContain('lm_head.weight differs');
  });

  it('names what is missing, of another shape, or too much', async () => {
    expect((await fault(withTensors((tensors) => tensors.filter(({ name }) => name !== UP)))).message).toContain(
      `${UP} is missing: expected [48, 32]`,
    );
    const wide = model();
    writeFileSync(join(wide, 'config.json'), JSON.stringify({ ...TINY_CONFIG, intermediate_size: 50 }));
    const { message, code } = await fault(wide);
    expect(code).toBe('tensor_shape');
    expect(message).toContain('gate_proj.weight: expected [50, 32] by config.json (intermediate_size 50, hidden_size 32), got [48, 32]');
    const bias = { name: 'model.layers.0.self_attn.q_proj.bias', dtype: 'F32', shape: [32], bytes: new Uint8Array(128) };
    expect((await fault(withTensors((tensors) => [...tensors, bias]))).message).toContain('q_proj.bias is in the file');
    const whole = (tensors: RawTensor[]) => tensors.map((one) => (one.name === UP ? { ...one, dtype: 'I32' } : one));
    expect((await fault(withTensors(whole))).message).toContain(`${UP} is stored as I32`);
  });

  it('names a missing shard, and a tensor that its shard does not hold', async () => {
    const folder = model({ shards: 2 });
    const index = join(folder, 'model.safetensors.index.json');
    const map = JSON.parse(readFileSync(index, 'utf8'));
    const other = Object.values(map.weight_map).find((file) => file !== map.weight_map[UP]);
    writeFileSync(index, JSON.stringify({ weight_map: { ...map.weight_map, [UP]: other } }));
    expect((await fault(folder)).message).toContain(`${UP} is not in ${other}`);
    writeFileSync(index, JSON.stringify(map));
    rmSync(join(folder, 'model-00002-of-00002.safetensors'));
    expect((await fault(folder)).message).toContain('model-00002-of-00002.safetensors');
    writeFileSync(index, JSON.stringify({ weight_map: { [UP]: '../secret.safetensors' } }));
    expect((await fault(folder)).code).toBe('malformed_json');
  });

  it('says what is not there', async () => {
    expect(await fault(join(scratch, 'no-such-model'))).toMatchObject({ code: 'missing_model' });
    const file = join(scratch, 'x.gguf');
    writeFileSync(file, '');
    expect((await fault(file)).message).toContain('GGUF');
    const empty = join(scratch, 'empty');
    mkdirSync(empty);
    expect((await fault(empty)).message).toContain('config.json');
    const bare = model();
    rmSync(join(bare, 'model.safetensors'));
    expect((await fault(bare)).message).toContain('safetensors');
  });

  it('is compared with the tokenizer', async () => {
    const opened = await openModelFolder(model());
    checkVocabulary(opened, 264);
    expect(() => checkVocabulary(opened, 265)).toThrow(/265 ids.*264 rows/);
  });

  it.skipIf(stories260k === undefined)(`opens the real tiny model ${WITHOUT}`, async () => {
    const { config, tensors } = await openModelFolder(stories260k as string);
    expect(config).toMatchObject({ vocabulary: 512, hidden: 64, layers: 5, tied: true });
    expect(tensors).toHaveLength(1 + 5 * 9 + 1);
  });
});
