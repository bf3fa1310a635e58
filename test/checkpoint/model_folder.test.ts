import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { fromFloat32, toFloat32 } from '../../lib/checkpoint/numbers.js';
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

const EMBED = 'model.embed_tokens.weight';
const HEAD = 'lm_head.weight';
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
    const { message } = await fault(withTensors(other));
    expect(message).toMatch(
      /lm_head\.weight differs from model\.embed_tokens\.weight.*set tie_word_embeddings to false where both are meant/,
    );
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

  // transformers 5.24 reads every file that an index names, whatever the index says of single tensors.
  it('is opened from shards whose index is stale, and says so', async () => {
    const folder = model({ shards: 2 });
    const index = join(folder, 'model.safetensors.index.json');
    const map = JSON.parse(readFileSync(index, 'utf8')).weight_map;
    const other = Object.values(map).find((file) => file !== map[UP]);
    writeFileSync(index, JSON.stringify({ weight_map: { ...map, [UP]: other, 'lm_head.weight': other } }));
    const { tensors, warnings } = await openModelFolder(folder);
    expect(tensors.find(({ name }) => name === UP)?.path).toBe(join(folder, map[UP]));
    expect(warnings).toEqual([{ code: 'stale_index', message: expect.stringMatching(/up_proj.*1 more/) }]);
    writeFileSync(index, JSON.stringify({ weight_map: { ...map, 'lm_head.weight': other } }));
    expect((await openModelFolder(folder)).warnings[0]?.message).toContain('lm_head.weight is in');
  });

  it('may have shards with blanks in their names and in folders of their own', async () => {
    const folder = model({ shards: 2 });
    const index = join(folder, 'model.safetensors.index.json');
    const map: Record<string, string> = JSON.parse(readFileSync(index, 'utf8')).weight_map;
    mkdirSync(join(folder, 'the weights'));
    const moved = (file: string) => `the weights/part of ${file}`;
    for (const file of new Set(Object.values(map))) renameSync(join(folder, file), join(folder, moved(file)));
    const entries = Object.entries(map).map(([name, file]) => [name, moved(file)]);
    writeFileSync(index, JSON.stringify({ weight_map: Object.fromEntries(entries) }));
    expect((await openModelFolder(folder)).warnings).toEqual([]);
  });

  it.each(['../secret.safetensors', '/etc/passwd', 'a/../../b', '', 'C:\\x', 7, null])(
    'is refused where an index names the file %j',
    async (name) => {
      const folder = model({ shards: 2 });
      writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { [UP]: name } }));
      expect((await fault(folder)).code).toBe('malformed_json');
    },
  );

  it('names a missing shard', async () => {
    const folder = model({ shards: 2 });
    rmSync(join(folder, 'model-00002-of-00002.safetensors'));
    expect((await fault(folder)).message).toContain('model-00002-of-00002.safetensors');
  });

  it('is opened where a tied tensor goes by the name of the head alone', async () => {
    const renamed = (tensors: RawTensor[]) => tensors.map((one) => (one.name === EMBED ? { ...one, name: HEAD } : one));
    const [both, one] = [await openModelFolder(model()), await openModelFolder(withTensors(renamed))];
    expect(one.tensors.map(({ name }) => name)).toEqual(both.tensors.map(({ name }) => name));
    expect(one.headCopy).toBeUndefined();
    expect(await readTensor(one.tensors[0] as never)).toEqual(await readTensor(both.tensors[0] as never));
    const untied = { config: { tie_word_embeddings: false } };
    expect((await fault(withTensors((tensors) => tensors.filter(({ name }) => name !== EMBED), untied))).message).toContain(EMBED);
  });

  it('may hold a copy of a tied head in another number type, if it is equal', async () => {
    const [embed] = tinyTensors(TINY_CONFIG, 1, 'bf16') as [RawTensor];
    const wide = fromFloat32(toFloat32(embed.bytes, 'bf16'), 'f32');
    const head = { ...embed, name: HEAD, dtype: 'F32', bytes: wide };
    const stored = (tensors: RawTensor[], copy: RawTensor) => [embed, ...tensors.slice(1), copy];
    expect((await openModelFolder(withTensors((tensors) => stored(tensors, head)))).headCopy).toMatchObject({ name: HEAD, stored: 'f32' });
    const bytes = wide.slice();
    bytes[bytes.length - 4] = 1;
    expect((await fault(withTensors((tensors) => stored(tensors, { ...head, bytes })))).message).toContain('lm_head.weight differs');
  });

  it('is opened with a warning where its file has tensors of other things', async () => {
    const constants = [
      { name: 'model.layers.0.self_attn.masked_bias', dtype: 'BOOL', shape: [1], bytes: new Uint8Array(1) },
      { name: 'model.layers.0.extra', dtype: 'I64', shape: [0], bytes: new Uint8Array(0) },
      { name: 'vision.patch.weight', dtype: 'F32', shape: [2], bytes: new Uint8Array(8) },
    ];
    const { warnings, tensors } = await openModelFolder(withTensors((own) => [...own, ...constants]));
    expect(tensors.map(({ name }) => name)).toEqual((await openModelFolder(model())).tensors.map(({ name }) => name));
    const [warning] = warnings;
    expect(warning?.code).toBe('foreign_tensors');
    for (const { name } of constants) expect(warning?.message).toContain(name);
  });

  it('is opened without the first part of the names, as a network without its head is saved', async () => {
    const short = (tensors: RawTensor[]) => tensors.map((one) => ({ ...one, name: one.name.replace(/^model\./, '') }));
    expect((await openModelFolder(withTensors(short))).tensors[0]?.name).toBe(EMBED);
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

  it.each<[string, unknown, string]>([
    ['num_hidden_layers', 3_000_000, 'at most 4096'],
    ['num_hidden_layers', Number.MAX_SAFE_INTEGER, 'at most 4096'],
    ['max_position_embeddings', Number.MAX_SAFE_INTEGER, 'at most'],
    ['num_attention_heads', 1e9, 'at most 4096'],
    ['vocab_size', 2e9, 'at most'],
    ['head_dim', 512, '512'],
  ])('is refused at once where config.json says %s %d', async (key, value, words) => {
    const folder = model();
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...TINY_CONFIG, [key]: value }));
    const { message, code, file } = await fault(folder);
    expect([code, file]).toEqual(['bad_config', join(folder, 'config.json')]);
    expect(message).toContain(words);
  });

  it('is refused where a file is nested without end, and says so', async () => {
    const folder = model();
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    writeFileSync(join(folder, 'config.json'), `{"a": ${deep}}`);
    expect((await fault(folder)).message).toContain('nested deeper than 500');
    const header = Buffer.from(`{"a":{"dtype":"F32","shape":${deep},"data_offsets":[0,0]}}`);
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...TINY_CONFIG, note: '[[[[[ {"' }));
    writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([size, header]));
    expect((await fault(folder)).message).toContain('nested deeper than 500');
  });

  it.skipIf(stories260k === undefined)(`opens the real tiny model ${WITHOUT}`, async () => {
    const { config, tensors } = await openModelFolder(stories260k as string);
    expect(config).toMatchObject({ vocabulary: 512, hidden: 64, layers: 5, tied: true });
    expect(tensors).toHaveLength(1 + 5 * 9 + 1);
  });
});
