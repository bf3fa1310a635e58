import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scaleOf } from '../../lib/checkpoint/adapter.js';
import { readAdapter } from '../../lib/checkpoint/adapter_read.js';
import { mergeAdapter } from '../../lib/checkpoint/merge.js';
import { type ModelFolder, openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { readTensor } from '../../lib/checkpoint/safetensors.js';
import { networkConfig } from '../../lib/network/config.js';
import { linearLayers } from '../../lib/network/linears.js';
import { writeTinyAdapter } from '../support/tiny_adapter.js';
import {
  generator,
  scratchFolder,
  TINY_CONFIG,
  type TinyOptions,
  tinyTensors,
  writeTinyModel,
  writeWeights,
} from '../support/tiny_model.js';

const scratch = scratchFolder();
let folders = 0;
const place = (name: string) => join(scratch, `${name}${++folders}`);

async function parts(options: TinyOptions = {}, layers?: (name: string) => boolean) {
  const base = await openModelFolder(writeTinyModel(place('base'), options));
  const targets = linearLayers(base.config).filter(({ name }) => layers?.(name) ?? true);
  return { base, adapter: await readAdapter(writeTinyAdapter(place('adapter'), targets), base.config) };
}

const tensorOf = async ({ tensors }: ModelFolder, name: string) => readTensor(tensors.find((one) => one.name === name) as never);

describe('a merged model', () => {
  it('is W + scale · B A, everything else as it was', async () => {
    const { base, adapter } = await parts({}, (name) => !name.endsWith('k_proj'));
    const out = place('merged');
    await mergeAdapter({ base, adapter, out });
    const merged = await openModelFolder(out);
    for (const { name } of base.tensors) {
      const [before, after] = [await tensorOf(base, name), await tensorOf(merged, name)];
      const target = adapter.targets.find((one) => `${one.name}.weight` === name);
      if (target === undefined) {
        expect(after).toEqual(before);
        continue;
      }
      const inputs = target.a.length / target.rank;
      const expected = before.map((value, n) => {
        let sum = 0;
        for (let k = 0; k < target.rank; k++)
          sum += (target.b[Math.floor(n / inputs) * target.rank + k] as number) * (target.a[k * inputs + (n % inputs)] as number);
        return value + scaleOf(adapter) * sum;
      });
      expect(after).toEqual(expected);
      expect(after).not.toEqual(before);
    }
  });

  it('keeps the base’s number types and config.json unless another type is asked for', async () => {
    const { base, adapter } = await parts({ stored: 'bf16', config: { torch_dtype: 'bfloat16', odd_key: [1, { two: null }] } });
    const same = place('same');
    await mergeAdapter({ base, adapter, out: same });
    expect(JSON.parse(readFileSync(join(same, 'config.json'), 'utf8'))).toEqual(base.configJson);
    expect(new Set((await openModelFolder(same)).tensors.map(({ stored }) => stored))).toEqual(new Set(['bf16']));
    const wide = place('wide');
    await mergeAdapter({ base, adapter, out: wide, dtype: 'f32' });
    expect(JSON.parse(readFileSync(join(wide, 'config.json'), 'utf8'))).toEqual({ ...base.configJson, torch_dtype: 'float32' });
    expect(new Set((await openModelFolder(wide)).tensors.map(({ stored }) => stored))).toEqual(new Set(['f32']));
  });

  it('tells its number type under every key that the base has, nested ones too', async () => {
    const told = {
      torch_dtype: 'float16',
      dtype: 'float16',
      text_config: { torch_dtype: 'bfloat16', other: { dtype: 'int8' } },
      list: [{ dtype: 'float32' }],
    };
    const { base, adapter } = await parts({ config: told });
    const [out, none] = [place('merged'), place('merged')];
    await mergeAdapter({ base, adapter, out, dtype: 'bf16' });
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toMatchObject({
      torch_dtype: 'bfloat16',
      dtype: 'bfloat16',
      text_config: { torch_dtype: 'bfloat16', other: { dtype: 'int8' } },
      list: [{ dtype: 'bfloat16' }],
    });
    const { torch_dtype: _, ...untold } = base.configJson;
    await mergeAdapter({ base: { ...base, configJson: untold }, adapter, out: none, dtype: 'f32' });
    expect(JSON.parse(readFileSync(join(none, 'config.json'), 'utf8')).dtype).toBe('float32');
  });

  it.each(['merged', 'copied'])(
    'says which number of a %s tensor is beyond the range of its type, and leaves nothing behind',
    async (kind) => {
      const name = kind === 'merged' ? 'model.layers.1.mlp.up_proj.weight' : 'model.norm.weight';
      const folder = writeTinyModel(place('base'));
      const at = (value: number) => {
        const tensors = tinyTensors(TINY_CONFIG);
        const { bytes } = tensors.find((one) => one.name === name) as { bytes: Uint8Array };
        new Float32Array(bytes.buffer)[7] = value;
        writeWeights(folder, tensors);
      };
      const none = linearLayers(networkConfig(TINY_CONFIG, '')).slice(0, kind === 'merged' ? undefined : 1);
      const adapterFolder = writeTinyAdapter(place('adapter'), none);
      const here = place('outputs');
      mkdirSync(here);
      const run = async (dtype: 'f16' | 'bf16') => {
        const base = await openModelFolder(folder);
        return mergeAdapter({ base, adapter: await readAdapter(adapterFolder, base.config), out: join(here, dtype), dtype });
      };
      at(70000);
      await expect(run('f16')).rejects.toMatchObject({
        code: 'beyond_range',
        message: expect.stringMatching(new RegExp(`${name}.*(70000|699|700).*f16.*bf16 or f32`)),
      });
      expect(readdirSync(here)).toEqual([]);
      await run('bf16');
      rmSync(join(here, 'bf16'), { recursive: true });
      at(3.4e38);
      await expect(run('bf16')).rejects.toMatchObject({ code: 'beyond_range', message: expect.stringContaining('f32') });
      expect(readdirSync(here)).toEqual([]);
    },
  );

  it('comes in shards with an index where it is large', async () => {
    const { base, adapter } = await parts({ shards: 2 });
    const [one, many] = [place('one'), place('many')];
    await mergeAdapter({ base, adapter, out: one });
    await mergeAdapter({ base, adapter, out: many, shardBytes: 20000 });
    expect(readdirSync(one).filter((name) => name.startsWith('model'))).toEqual(['model.safetensors']);
    const files = readdirSync(many).filter((name) => name.endsWith('.safetensors'));
    expect(files.length).toBeGreaterThan(2);
    expect(files[0]).toBe(`model-00001-of-${String(files.length).padStart(5, '0')}.safetensors`);
    const [whole, sharded] = [await openModelFolder(one), await openModelFolder(many)];
    for (const { name } of whole.tensors) expect(await tensorOf(sharded, name)).toEqual(await tensorOf(whole, name));
  });

  it('takes along the tokenizer, templates and generation settings, and biases', async () => {
    const { base, adapter } = await parts({ config: { attention_bias: true, mlp_bias: true, tie_word_embeddings: false } });
    for (const name of ['chat_template.jinja', 'generation_config.json', 'tokenizer.model', 'notes.txt'])
      writeFileSync(join(base.folder, name), '{}');
    mkdirSync(join(base.folder, 'additional_chat_templates'));
    writeFileSync(join(base.folder, 'additional_chat_templates', 'rag.jinja'), 'x');
    const out = place('merged');
    await mergeAdapter({ base, adapter, out });
    expect(readdirSync(out).sort()).toEqual([
      'additional_chat_templates',
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer.model',
      'tokenizer_config.json',
    ]);
    expect(readFileSync(join(out, 'tokenizer.json'))).toEqual(readFileSync(join(base.folder, 'tokenizer.json')));
    expect(await tensorOf(await openModelFolder(out), 'model.layers.1.mlp.down_proj.bias')).toEqual(
      await tensorOf(base, 'model.layers.1.mlp.down_proj.bias'),
    );
  });

  it('holds a copy of a tied head only where the base does', async () => {
    const folder = writeTinyModel(place('base'));
    const tensors = tinyTensors(TINY_CONFIG);
    writeWeights(folder, [...tensors, { ...(tensors[0] as never as (typeof tensors)[0]), name: 'lm_head.weight' }]);
    const base = await openModelFolder(folder);
    const adapter = await readAdapter(writeTinyAdapter(place('adapter'), linearLayers(base.config)), base.config);
    const out = place('merged');
    await mergeAdapter({ base, adapter, out });
    expect((await openModelFolder(out)).headCopy?.name).toBe('lm_head.weight');
  });

  it('leaves nothing behind when it cannot be finished', async () => {
    const { base, adapter } = await parts();
    const folder = place('stopped');
    mkdirSync(folder);
    const out = join(folder, 'out');
    const stop = AbortSignal.abort(new Error('enough'));
    await expect(mergeAdapter({ base, adapter, out, signal: stop })).rejects.toThrow('enough');
    const tensors = tinyTensors(TINY_CONFIG);
    const draw = generator(9);
    new Float32Array((tensors[3] as { bytes: Uint8Array }).bytes.buffer)[5] = Number.NaN * draw();
    writeWeights(base.folder, tensors);
    await expect(mergeAdapter({ base, adapter, out })).rejects.toThrow(/holds NaN/);
    expect(readdirSync(folder)).toEqual([]);
    mkdirSync(out);
    await expect(mergeAdapter({ base, adapter, out })).rejects.toMatchObject({ code: 'output_exists' });
  });
});
