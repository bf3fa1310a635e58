import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chosenLayers, scaleOf } from '../../lib/checkpoint/adapter.js';
import { newAdapter } from '../../lib/checkpoint/adapter_new.js';
import { readAdapter } from '../../lib/checkpoint/adapter_read.js';
import { writeAdapter } from '../../lib/checkpoint/adapter_write.js';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { DataError, RequestError } from '../../lib/errors/index.js';
import { networkConfig } from '../../lib/network/config.js';
import { linearLayers } from '../../lib/network/linears.js';
import { stories260k, WITHOUT } from '../support/shared.js';
import { writeTinyAdapter } from '../support/tiny_adapter.js';
import { type JsonObject, type RawTensor, scratchFolder, TINY_CONFIG } from '../support/tiny_model.js';

const scratch = scratchFolder();
const config = networkConfig(TINY_CONFIG, 'config.json');
const layers = linearLayers(config);
let folders = 0;

const set =
  (change: JsonObject): Edit =>
  (settings, tensors) => {
    Object.assign(settings, change);
    return tensors;
  };

type Edit = (config: JsonObject, tensors: RawTensor[]) => RawTensor[];
const tiny = (edit?: Edit, targets = layers) => writeTinyAdapter(join(scratch, `a${++folders}`), targets, { edit });

async function fault(folder: string): Promise<string> {
  const error = await readAdapter(folder, config).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(DataError);
  return (error as Error).message;
}

const options = { rank: 4, alpha: 8, targets: 'all-linear' as const, dropout: 0.1, rsLora: false, seed: 5 };

describe('a new adapter', () => {
  const adapter = newAdapter(options, config);

  it('sits on every linear layer, A in ±1/√inputs, B zero', () => {
    expect(adapter.targets.map(({ name }) => name)).toEqual(layers.map(({ name }) => name));
    for (const [n, { a, b }] of adapter.targets.entries()) {
      const { inputs = 0, outputs = 0 } = layers[n] ?? {};
      const bound = 1 / Math.sqrt(inputs);
      expect([a.length, b.length]).toEqual([4 * inputs, 4 * outputs]);
      const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(largest).toBeLessThanOrEqual(bound);
      expect(largest).toBeGreaterThan(0.9 * bound);
      expect(b.every((value) => value === 0)).toBe(true);
    }
  });

  it('has values that look uniform and depend on seed and layer alone', () => {
    const [first, second] = adapter.targets;
    const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.abs(mean(Float32Array.from(adapter.targets.flatMap(({ a }) => [...a]))))).toBeLessThan(0.01);
    expect(first?.a).not.toEqual(second?.a);
    expect(newAdapter({ ...options, targets: ['q_proj'] }, config).targets[0]?.a).toEqual(first?.a);
    expect(newAdapter({ ...options, seed: 6 }, config).targets[0]?.a).not.toEqual(first?.a);
  });

  it('takes layers by the ends of their names', () => {
    const names = (targets: string[]) => chosenLayers(targets, config).map(({ name }) => name);
    expect(names(['q_proj'])).toEqual(['model.layers.0.self_attn.q_proj', 'model.layers.1.self_attn.q_proj']);
    expect(names(['layers.1.mlp.up_proj'])).toEqual(['model.layers.1.mlp.up_proj']);
    expect(() => names(['q_porj'])).toThrow(RequestError);
    expect(() => names(['q_porj'])).toThrow(/q_porj.*did you mean q_proj/);
  });

  it('is written so that it reads back, single layers by full name', async () => {
    for (const targets of ['all-linear' as const, ['layers.1.mlp.up_proj', 'q_proj']]) {
      const made = newAdapter({ ...options, targets }, config);
      for (const { b } of made.targets) b.fill(0.5);
      const folder = join(scratch, `written${++folders}`);
      await writeAdapter(folder, made, 'owner/name');
      expect(await readAdapter(folder, config)).toEqual(made);
      expect(readdirSync(folder).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
    }
  });

  it('has every key that PEFT writes', async () => {
    const folder = join(scratch, `written${++folders}`);
    await writeAdapter(folder, adapter, 'owner/name');
    const written = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));
    expect(written).toMatchObject({ peft_type: 'LORA', task_type: 'CAUSAL_LM', r: 4, lora_alpha: 8, lora_dropout: 0.1, bias: 'none' });
    if (stories260k === undefined) return;
    const known = JSON.parse(readFileSync(join(stories260k, 'lora_dev/adapter_config.json'), 'utf8'));
    expect(Object.keys(written).filter((key) => !(key in known))).toEqual([]);
  });
});

describe('a PEFT adapter', () => {
  it('is read with its scale', async () => {
    const adapter = await readAdapter(tiny(), config);
    expect(adapter).toMatchObject({ rank: 4, alpha: 8, rsLora: false });
    expect(scaleOf(adapter)).toBe(2);
    expect(scaleOf({ ...adapter, rsLora: true })).toBe(4);
    expect(adapter.targets).toHaveLength(14);
  });

  it.each([true, false, null, 'gaussian', 'orthogonal', 'eva', 'mica'])(
    'may have begun as %s, which leaves the base as it is',
    async (init) => {
      expect((await readAdapter(tiny(set({ init_lora_weights: init })), config)).targets).toHaveLength(14);
    },
  );

  it('may have empty lists and objects for keys that are not supported', async () => {
    const empty = { modules_to_save: [], exclude_modules: [], layers_to_transform: [], layers_pattern: [], target_parameters: [] };
    const more = { trainable_token_indices: [], alora_invocation_tokens: [], layer_replication: [], rank_pattern: {}, layers_pattern: '' };
    const adapter = await readAdapter(tiny(set({ ...empty, ...more })), config);
    expect(adapter.selection).toEqual({ targetModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] });
    expect(adapter.warnings).toBeUndefined();
  });

  it.each([
    { task_type: 'CAUSAL_LM', modules_to_save: ['lm_head', 'embed_tokens'] },
    { task_type: 'CAUSAL_LM', modules_to_save: ['score'] },
    { task_type: 'SEQ_CLS', modules_to_save: ['score', 'embed_tokens'] },
  ])('that trained whole modules beside its factors is refused, and it says what to do: %o', async (keys) => {
    await expect(readAdapter(tiny(set(keys)), config)).rejects.toMatchObject({
      code: 'bad_adapter',
      message: expect.stringMatching(/modules_to_save: \[.*\] is not supported; .*merge it into its base in PEFT \(merge_and_unload\)/),
    });
  });

  it('is read with a warning where its config has keys that nobody knows', async () => {
    const { warnings } = await readAdapter(tiny(set({ future_key: { x: 1 }, peft_version: '9.9.9', loftq_config: {} })), config);
    expect(warnings).toEqual([{ code: 'adapter_keys', message: expect.stringContaining('future_key') }]);
  });

  // What PEFT 0.21 makes of these configs was read off its named_parameters: the layers listed here, and no other.
  it.each<[string, JsonObject, RegExp]>([
    [
      'layers_to_transform',
      { target_modules: ['q_proj', 'v_proj'], layers_to_transform: [1], layers_pattern: 'layers' },
      /1\.self_attn\.[qv]_proj/,
    ],
    ['one layer, any pattern', { target_modules: ['up_proj'], layers_to_transform: 0 }, /0\.mlp\.up_proj/],
    ['exclude_modules', { target_modules: ['q_proj', 'v_proj'], exclude_modules: ['layers.0.self_attn.q_proj'] }, /1.*q_proj|v_proj/],
    [
      'an excluding pattern',
      { target_modules: ['q_proj'], exclude_modules: '.*layers\\.[01]\\.mlp.*|.*\\.0\\..*' },
      /1\.self_attn\.q_proj/,
    ],
    ['a pattern', { target_modules: '.*layers\\.(1|3)\\.mlp\\.(up|down)_proj' }, /1\.mlp\.(up|down)_proj/],
    ["a pattern in Python's spelling", { target_modules: '(?P<a>.*)layers\\.(?:1)\\.[a-z]{,3}\\.up_proj\\Z' }, /1\.mlp\.up_proj/],
  ])('with %s goes on with that choice', async (_name, choice, chosen) => {
    const some = layers.filter(({ name }) => chosen.test(name));
    const adapter = await readAdapter(tiny(set(choice), some), config);
    const out = join(scratch, `written${++folders}`);
    await writeAdapter(out, adapter, 'owner/name');
    expect(JSON.parse(readFileSync(join(out, 'adapter_config.json'), 'utf8'))).toMatchObject(choice);
    expect((await readAdapter(out, config)).targets.map(({ name }) => name)).toEqual(some.map(({ name }) => name));
  });

  it('goes on by the names of its layers where its config chooses more than its file has', async () => {
    const some = layers.filter(({ name }) => name !== 'model.layers.0.self_attn.q_proj');
    for (const target of [['q_proj'], ['q_proj', 'lm_head'], '.*q_proj', 'all-linear']) {
      const only = Array.isArray(target) ? some.filter(({ name }) => name.endsWith('q_proj')) : some;
      const chosen = target === '.*q_proj' ? only.filter(({ name }) => name.endsWith('q_proj')) : only;
      const adapter = await readAdapter(tiny(set({ target_modules: target }), chosen), config);
      expect(adapter.selection).toEqual({ targetModules: chosen.map(({ name }) => name) });
    }
    const heads = await readAdapter(
      tiny(
        set({ target_modules: ['q_proj', 'lm_head'] }),
        layers.filter(({ name }) => name.endsWith('q_proj')),
      ),
      config,
    );
    expect(heads.selection).toEqual({ targetModules: ['q_proj'] });
  });

  it.each(['(.*)*x', '(a+)+$', '(.*.*.*.*.*.*.*.*.*)*x'])('with the pattern %s is judged at once', async (pattern) => {
    expect(await fault(tiny(set({ target_modules: pattern })))).toContain('does not choose');
  });

  it.each(['all-linear', '.*\\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)'])(
    'may name its targets by %s',
    async (pattern) => {
      const folder = tiny((settings, tensors) => {
        settings.target_modules = pattern;
        return tensors;
      });
      expect((await readAdapter(folder, config)).selection).toEqual({ targetModules: pattern });
    },
  );

  it.each<[string, Edit, string[]]>([
    [
      'a shape that r does not fit',
      (_c, [first, ...rest]) => [{ ...(first as RawTensor), shape: [32, 4] }, ...rest],
      ['layers.0.self_attn.q_proj.lora_A', '[4, 32]', '[32, 4]'],
    ],
    [
      'a layer that the model does not have',
      (_c, [first, ...rest]) => [
        { ...(first as RawTensor), name: 'base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight' },
        ...rest,
      ],
      ['layers.9', '0 to 1'],
    ],
    ['a factor alone', (_c, tensors) => tensors.slice(1), ['layers.0.self_attn.q_proj.lora_A', 'missing']],
    ['no tensors', () => [], ['no LoRA tensors']],
    [
      'a module without tensors',
      (settings, tensors) => set({ target_modules: ['q_proj', 'k_proj'] })(settings, tensors.slice(0, 2)),
      ['k_proj'],
    ],
    ['DoRA', set({ use_dora: true }), ['use_dora', 'merge_and_unload']],
    ['biases', set({ bias: 'all' }), ['bias', 'expected none', 'merge_and_unload']],
    ['another method', set({ peft_type: 'IA3' }), ['IA3', 'LORA']],
    ['a rank of a layer that its tensors have not', set({ rank_pattern: { q_proj: 2 } }), ['q_proj', '[2, 32]', '[4, 32]']],
    ['a rank of a layer that is none', set({ rank_pattern: { q_proj: 0 } }), ['rank_pattern.q_proj', '0']],
    ['a scale of a layer that is none', set({ alpha_pattern: { q_proj: 'x' } }), ['alpha_pattern.q_proj', 'x']],
    ['ranks that are a list', set({ rank_pattern: [2] }), ['rank_pattern']],
    ['a pattern of ranks that needs to go back', set({ rank_pattern: { '(?=q)q_proj': 4 } }), ['rank_pattern', '(?=q)']],
    ['no rank', set({ r: 0 }), ['r:', '0']],
    ['a rank beyond the kernels', set({ r: 4097 }), ['r:', '4096', '4097']],
    ...['pissa', 'pissa_niter_4', 'PiSSA', 'olora', 'corda', 'loftq', 'lora_ga', 'something_new', 1].map(
      (init): [string, Edit, string[]] => [
        `init_lora_weights ${init}`,
        set({ init_lora_weights: init }),
        ['init_lora_weights', String(init)],
      ],
    ),
    ['KaSA', set({ kasa_config: { a: 1 } }), ['kasa_config']],
    [
      'a pattern for target_modules beside layers_to_transform',
      set({ target_modules: '.*', layers_to_transform: [0] }),
      ['layers_to_transform'],
    ],
    ['tensors that its config does not choose', set({ target_modules: ['q_proj'] }), ['k_proj', 'target_modules', 'PEFT']],
    ['tensors that its config excludes', set({ exclude_modules: ['layers.1.mlp.up_proj'] }), ['layers.1.mlp.up_proj', 'exclude_modules']],
    ['a pattern that needs to go back', set({ target_modules: '(.)\\1.*' }), ['target_modules', 'pattern', '\\1']],
    ['a pattern that looks ahead', set({ target_modules: '(?!lm_head).*_proj' }), ['target_modules', '(?!', 'list of names']],
    ['a pattern beyond all size', set({ target_modules: '[a-z]{0,1000}'.repeat(60) }), ['target_modules', 'too large']],
    ['a pattern of another language', set({ exclude_modules: '\\Qx\\E' }), ['exclude_modules', 'Python']],
    [
      'a number that is none',
      (_c, [first, ...rest]) => {
        const bytes = (first as RawTensor).bytes.slice();
        new Float32Array(bytes.buffer)[7] = Number.NaN;
        return [{ ...(first as RawTensor), bytes }, ...rest];
      },
      ['lora_A', 'NaN'],
    ],
  ])('is refused with %s', async (_name, edit, words) => {
    const message = await fault(tiny(edit));
    for (const word of words) expect(message).toContain(word);
  });

  it('is refused where files are missing or malformed', async () => {
    expect(await fault(join(scratch, 'no-such-adapter'))).toContain('no-such-adapter');
    const folder = join(scratch, 'broken');
    mkdirSync(folder);
    expect(await fault(folder)).toContain('adapter_config.json');
    writeFileSync(join(folder, 'adapter_config.json'), '{"r": 8,,}');
    expect(await fault(folder)).toContain('adapter_config.json');
  });

  it.skipIf(stories260k === undefined)(`of PEFT itself is read ${WITHOUT}`, async () => {
    const { config: real } = await openModelFolder(stories260k as string);
    const adapter = await readAdapter(join(stories260k as string, 'lora_dev'), real);
    expect(adapter).toMatchObject({ rank: 8, alpha: 16 });
    expect(adapter.targets).toHaveLength(35);
  });
});
