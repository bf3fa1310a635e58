/** Model folders and adapters whose files are bent: opened, or refused with the file's name; nothing crashes, hangs or fills the memory. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readAdapter } from '../../lib/checkpoint/adapter_read.js';
import { type ModelFolder, openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { loadNative, nativeAdapter } from '../../lib/checkpoint/native_model.js';
import type { NativeModel } from '../../lib/native.js';
import { writeTinyAdapter } from '../support/tiny_adapter.js';
import {
  type JsonObject,
  packTensors,
  safetensorsBytes,
  scratchFolder,
  TINY_CONFIG,
  tinyTensors,
  writeTinyModel,
} from '../support/tiny_model.js';
import { mutateBytes, mutateJson, oddJson } from './mutate.js';
import type { Random } from './random.js';
import { inputs, PATIENCE, trial } from './trial.js';

const scratch = scratchFolder();
const SMALL: JsonObject = { ...TINY_CONFIG, vocab_size: 40, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, head_dim: 2 };

/** Text of a value that may hold a circle no JSON can. */
const text = (value: unknown) => JSON.stringify(value) ?? '';

async function forward(native: NativeModel, vocabulary: number): Promise<void> {
  const [tokens, targets] = [Int32Array.of(0, vocabulary - 1, 0), Int32Array.of(0, vocabulary - 1, -1)];
  await native.forward({ tokens, targets, sequenceStarts: Int32Array.of(0, 3) });
}
async function useModel(folder: string): Promise<void> {
  const base = await openModelFolder(folder);
  const native = await loadNative(base, { dtype: 'f32', threads: 1 });
  try {
    await forward(native, base.config.vocabulary);
  } finally {
    native.dispose();
  }
}

const TYPES = ['F16', 'BF16', 'F64', 'I64', 'U8', 'BOOL', 'F8_E4M3', 'toString', '__proto__', 'f32', 'I4', 'C64', null, 5];
const SHAPES = [[], [0], [0, 2 ** 53 - 1], [2 ** 27, 2 ** 27], [-1], [1.5], [2 ** 31], [2 ** 53], [1e308, 0], Array(5000).fill(1), '8'];
const OFFSETS = [[0, 0], [0, 2 ** 53 - 1], [2 ** 53 - 1, 2 ** 53 - 1], [4, 0], [-4, 0], [0], [], [0, 4, 8], null, [0, 1e18]];
interface Entry {
  dtype: unknown;
  shape: unknown;
  data_offsets: unknown;
  extra?: unknown;
}

/** A header with one to three entries changed as only someone who knows the format would. */
function bendHeader(given: JsonObject, r: Random): JsonObject {
  const header = structuredClone(given) as Record<string, Entry>;
  const names = Object.keys(header);
  for (let k = 1 + r.below(3); k > 0; k--) {
    const name = r.pick(names);
    const entry = header[name];
    if (entry === undefined || entry === null || typeof entry !== 'object') continue;
    const other = r.pick(names);
    const changes: Partial<Record<string, () => void>> = {
      dtype: () => Object.assign(entry, { dtype: r.pick(TYPES) }),
      shape: () => Object.assign(entry, { shape: r.pick(SHAPES) }),
      offsets: () => Object.assign(entry, { data_offsets: r.pick([...OFFSETS, header[other]?.data_offsets]) }),
      absent: () => delete header[name],
      another: () => Object.assign(header, { [r.pick(['x', '__metadata__', 'constructor', `${name}.x`, ''])]: structuredClone(entry) }),
      odd: () => Object.assign(header, { [name]: oddJson(r) }),
      extra: () => Object.assign(entry, { extra: oddJson(r) }),
      swapped: () => Object.assign(header, { [name]: header[other], [other]: entry }),
    };
    r.pick(Object.values(changes))?.();
  }
  return header as unknown as JsonObject;
}

/** A safetensors file that is bent in its bytes, its header or its length. */
function bentFile(header: JsonObject, data: Buffer, r: Random): Buffer {
  const whole = () => safetensorsBytes(header, data);
  const lying = () => {
    const file = safetensorsBytes(bendHeader(header, r), data);
    file.writeBigUInt64LE(r.pick([0n, 1n, 2n ** 63n, 2n ** 64n - 1n, 100_000_001n, BigInt(data.length + 5000)]));
    return file;
  };
  return r.pick([
    () => mutateBytes(whole(), r),
    () => safetensorsBytes(mutateJson(header, r) ?? {}, data),
    () => safetensorsBytes(bendHeader(header, r), data),
    () => safetensorsBytes(bendHeader(header, r), data.subarray(0, r.below(data.length + 1))),
    () => safetensorsBytes(header, Buffer.concat([data, Buffer.alloc(r.below(3) * 32)])),
    lying,
  ])();
}

const ROPE: JsonObject[] = [
  { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 16 },
  { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16, beta_fast: 32, beta_slow: 1 },
  { rope_type: 'dynamic', factor: 2 },
];
const FAMILIES: JsonObject[] = [
  SMALL,
  ...ROPE.map((rope_scaling) => ({ ...SMALL, rope_scaling })),
  { ...SMALL, model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'], use_sliding_window: true, sliding_window: 4, max_window_layers: 0 },
  { ...SMALL, model_type: 'mistral', architectures: ['MistralForCausalLM'], sliding_window: 4 },
  { ...SMALL, model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'] },
  { ...SMALL, model_type: 'bert', architectures: ['BertForMaskedLM'], type_vocab_size: 2, layer_norm_eps: 1e-12 },
];
const NUMBERS = [0, -1, 2 ** 31, 2 ** 53, 1e308, 1 << 20, 1 << 26, 3_000_000, 4096, 0.5, 1e-320];

function bentConfig(r: Random): unknown {
  const config = structuredClone(r.pick(FAMILIES));
  if (r.chance(0.4)) return mutateJson(config, r);
  for (let k = 1 + r.below(2); k > 0; k--) {
    const scaling = config.rope_scaling as JsonObject | undefined;
    const within = scaling && typeof scaling === 'object' && Object.keys(scaling).length > 0 && r.chance(0.3) ? scaling : config;
    const key = r.pick(Object.keys(within));
    within[key] = typeof within[key] === 'number' && r.chance(0.7) ? r.pick(NUMBERS) : oddJson(r);
  }
  return config;
}

describe('a model folder', () => {
  const { header, data } = packTensors(tinyTensors(SMALL));
  it('with bent weights is opened or refused', { timeout: PATIENCE }, async () => {
    const folder = writeTinyModel(join(scratch, 'weights'), { config: SMALL, tokenizer: false });
    const count = inputs(200);
    const { refused } = await trial('safetensors', count, (r) => {
      writeFileSync(join(folder, 'model.safetensors'), bentFile(header, data, r));
      return () => useModel(folder);
    });
    expect(Object.keys(refused).length).toBeGreaterThan(0);
  });

  it('with a bent config.json is opened or refused', { timeout: PATIENCE }, async () => {
    const folder = writeTinyModel(join(scratch, 'config'), { config: SMALL, tokenizer: false });
    await trial('config', inputs(300), (r) => {
      const config = text(bentConfig(r));
      writeFileSync(join(folder, 'config.json'), r.chance(0.1) ? mutateBytes(Buffer.from(config), r) : config);
      return () => useModel(folder);
    });
  });
});

const PATTERNS = ['(a+)+$', '.*', '(.*)*x', '(?i)x', '(', '.*q_proj', '\\d{1,1000}{1,1000}', 'all-linear', '(a|a)*$', '([a-z._]+)+\\d'];

describe('an adapter', () => {
  let base: ModelFolder;
  let native: NativeModel;
  const files: { config: JsonObject; header: JsonObject; data: Buffer } = { config: {}, header: {}, data: Buffer.alloc(0) };
  const folder = join(scratch, 'adapter');
  beforeAll(async () => {
    base = await openModelFolder(writeTinyModel(join(scratch, 'base'), { config: SMALL, tokenizer: false }));
    native = await loadNative(base, { dtype: 'f32', threads: 1 });
    const layers = [
      { name: 'model.layers.0.self_attn.q_proj', inputs: 8, outputs: 8 },
      { name: 'model.layers.0.mlp.down_proj', inputs: 16, outputs: 8 },
    ];
    writeTinyAdapter(folder, layers, {
      rank: 2,
      edit: (config, tensors) => {
        const more = { use_rslora: false, modules_to_save: null, rank_pattern: {}, alpha_pattern: {}, fan_in_fan_out: false };
        Object.assign(config, more, { init_lora_weights: true, layers_to_transform: null, layers_pattern: null, exclude_modules: null });
        Object.assign(files, { config, ...packTensors(tensors) });
        return tensors;
      },
    });
    return () => native.dispose();
  });

  function bentSettings(r: Random): unknown {
    const { config } = files;
    const pattern = { [r.pick(['target_modules', 'exclude_modules'])]: r.pick(PATTERNS) };
    const number = { [r.pick(Object.keys(config))]: r.pick([1e308, -1, 0, 2 ** 31, 4097, 1e-300, null, 0.5]) };
    return r.pick([config, config, mutateJson(config, r), mutateJson(config, r), { ...config, ...pattern }, { ...config, ...number }]);
  }
  const use = async (place: string) => {
    await native.setAdapter(nativeAdapter(await readAdapter(place, base.config)));
    await forward(native, base.config.vocabulary);
  };

  it('that is bent is read or refused', { timeout: PATIENCE }, async () => {
    const count = inputs(300);
    const { accepted, refused } = await trial('adapter', count, (r) => {
      const settings = text(bentSettings(r));
      writeFileSync(join(folder, 'adapter_config.json'), r.chance(0.1) ? mutateBytes(Buffer.from(settings), r) : settings);
      const whole = safetensorsBytes(files.header, files.data);
      writeFileSync(join(folder, 'adapter_model.safetensors'), r.chance(0.4) ? whole : bentFile(files.header, files.data, r));
      return () => use(folder);
    });
    if (count < 300) return;
    expect(accepted).toBeGreaterThan(0);
    expect(Object.keys(refused).length).toBeGreaterThan(0);
  });
});
