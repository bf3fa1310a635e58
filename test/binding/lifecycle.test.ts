// The life of a model and of what is started from it: refused after its end, let go of in every way, bounded by the memory there is.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AttuneError, WorkError } from '../../lib/errors/index.js';
import { addon, type NetworkConfig, withTypedErrors } from '../../lib/native.js';
import { scratchFolder } from '../support/tiny_model.js';
import { ADDON, batchOf, FIXTURES, family, load, storedTensors } from '../transformer/fixtures.js';

const source = family('llama');
const batch = batchOf(source.ids, source.trained);
const prompts = [Int32Array.from(source.ids[0]!)];
const typed = async () => withTypedErrors(await load('llama', source.network));
/** Bytes of address space: they count from the reservation on, resident ones only as a cache is filled. */
const reserved = () => 1024 * Number(/VmSize:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
const threads = () => readdirSync('/proc/self/task').length;

/** Waits for what happens soon, on the thread of a model: at most ten seconds. */
async function soon(is: () => boolean): Promise<void> {
  for (let waited = 0; !is() && waited < 10_000; waited += 20) await new Promise((later) => setTimeout(later, 20));
  expect(is()).toBe(true);
}

describe('a model that was disposed of', () => {
  it('finishes the work that was asked for, and rejects more without throwing at once', async () => {
    const model = await typed();
    const { logprob } = await model.forward(batch);
    const generation = model.startGeneration(8);
    const rollout = model.startRollout({ prompts, maxNewTokens: 2 });
    const asked = model.forward(batch);
    model.dispose();
    model.dispose();
    model[Symbol.dispose]();
    const later = [
      model.forward(batch),
      model.backward({ logprob }),
      model.gradientNorm(),
      generation.feed(Int32Array.of(1)),
      rollout.advance(1),
    ];
    for (const { status, reason } of (await Promise.allSettled(later)) as PromiseRejectedResult[]) {
      expect(status).toBe('rejected');
      expect(reason).toMatchObject({ name: 'RequestError', code: 'model_arguments', message: 'the model was disposed of' });
    }
    for (const call of [
      () => model.memory(),
      () => model.parameters(),
      () => model.startGeneration(8),
      () => model.startRollout({ prompts }),
    ])
      expect(call).toThrow('the model was disposed of');
    expect((await asked).logprob).toEqual(logprob);
  });

  it('takes its threads with it', async () => {
    const before = threads();
    const model = await load('llama', source.network, { threads: 4 });
    expect(threads()).toBeGreaterThan(before + 2);
    model.dispose();
    await soon(() => threads() <= before);
  });

  it('leaves nothing where it could not be loaded', async () => {
    await (await load('llama', source.network)).logits(prompts[0]!, Int32Array.of(0, prompts[0]!.length));
    const before = threads();
    const tensors = storedTensors(resolve(FIXTURES, 'llama/model.safetensors'));
    const short = tensors.filter(({ name }) => !name.includes('layers.1.mlp.down_proj'));
    const options = {
      config: source.network,
      tensors: short,
      dtype: 'f32',
      threads: 4,
      train: 'all',
      recomputeActivations: false,
    } as const;
    await Promise.all(
      Array.from({ length: 5 }, () => expect(addon().loadModel(options)).rejects.toMatchObject({ code: 'tensor_missing' })),
    );
    await soon(() => threads() <= before);
  });
});

describe('a generation and a rollout', () => {
  it('are disposed of twice, or by a using declaration, and refused afterwards with a typed error', async () => {
    const model = await typed();
    for (const started of [model.startGeneration(8), model.startRollout({ prompts })]) {
      started[Symbol.dispose]();
      started.dispose();
    }
    const [generation, rollout] = [model.startGeneration(8), model.startRollout({ prompts })];
    generation.dispose();
    rollout.dispose();
    expect(() => generation.logits()).toThrow(AttuneError);
    expect(() => rollout.answer(0)).toThrow(AttuneError);
    await expect(generation.feed(Int32Array.of(1))).rejects.toBeInstanceOf(AttuneError);
    await expect(rollout.advance(1)).rejects.toBeInstanceOf(AttuneError);
    model.dispose();
  });

  it('end their work where they are disposed of during it', async () => {
    const model = await typed();
    const generation = model.startGeneration(64);
    const rollout = model.startRollout({ prompts, maxNewTokens: 8 });
    const work = [generation.feed(prompts[0]!), rollout.advance(100)] as const;
    generation.dispose();
    rollout.dispose();
    expect(await Promise.all(work)).toEqual([undefined, false]);
    model.dispose();
  });

  it('larger than the memory there is are refused before anything is reserved', async () => {
    const model = await typed();
    const before = addon().residentMemory().now;
    const huge = { prompts, samples: 65536, maxNewTokens: 1 << 20, mostActive: 65536 };
    const many = { prompts: Array.from({ length: 1000 }, () => prompts[0]!), samples: 65536, maxNewTokens: 1 << 20 };
    for (const options of [huge, many]) {
      const refused = expect.objectContaining({ name: 'WorkError', code: 'out_of_memory' });
      let error: unknown;
      try {
        model.startRollout(options);
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(WorkError);
      expect(error).toEqual(refused);
    }
    expect(addon().residentMemory().now - before).toBeLessThan(64 * 2 ** 20);
    model.dispose();
  });

  it('reserve nothing on the main loop', async () => {
    const model = await typed();
    const before = reserved();
    const generation = model.startGeneration(1 << 18);
    expect(reserved() - before).toBeLessThan(32 * 2 ** 20);
    await generation.feed(Int32Array.of(1));
    expect(reserved() - before).toBeGreaterThan(32 * 2 ** 20);
    generation.dispose();
    model.dispose();
  });
});

describe('the memory there is', () => {
  const scratch = scratchFolder();
  const machine = (name: string, files: Record<string, string>) => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(scratch, name, path)), { recursive: true });
      writeFileSync(join(scratch, name, path), text);
    }
    return addon().availableMemory(join(scratch, name));
  };
  const meminfo = 'MemTotal:       8000000 kB\nMemFree:  100 kB\nMemAvailable:    4000000 kB\n';

  it('is what the machine has left', () => {
    expect(machine('plain', { 'proc/meminfo': meminfo })).toBe(4000000 * 1024);
  });
  it('is no more than the least that a control group or one above it leaves', () => {
    const files = {
      'proc/meminfo': meminfo,
      'proc/self/cgroup': '0::/outer/inner\n',
      'sys/fs/cgroup/outer/memory.max': '1000000000\n',
      'sys/fs/cgroup/outer/memory.current': '600000000\n',
      'sys/fs/cgroup/outer/memory.stat': 'anon 5\ninactive_file 100000000\n',
      'sys/fs/cgroup/outer/inner/memory.max': 'max\n',
      'sys/fs/cgroup/outer/inner/memory.current': '5\n',
    };
    expect(machine('two', files)).toBe(500000000);
  });
  it('is that of a container, whose group is the root', () => {
    const group = { 'sys/fs/cgroup/memory.max': '2000000\n', 'sys/fs/cgroup/memory.current': '3000000\n' };
    expect(machine('container', { 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/\n', ...group })).toBe(0);
  });
  it('is that of groups of the first version', () => {
    const files = {
      'proc/meminfo': meminfo,
      'proc/self/cgroup': '5:cpu:/a\n4:hugetlb,memory:/a\n',
      'sys/fs/cgroup/memory/a/memory.limit_in_bytes': '3000000\n',
      'sys/fs/cgroup/memory/a/memory.usage_in_bytes': '1000000\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'sys/fs/cgroup/memory/memory.usage_in_bytes': '1000000\n',
    };
    expect(machine('one', files)).toBe(2000000);
  });
});

describe('what the collector finds', () => {
  it('is let go of: models nobody disposed of, with their threads and bytes', () => {
    const code = `
      const { readdirSync } = await import('node:fs');
      const { createRequire } = await import('node:module');
      const { loadModel } = createRequire(import.meta.url)(process.argv[1]);
      const options = JSON.parse(process.argv[2]);
      const threads = () => readdirSync('/proc/self/task').length;
      const before = threads(), external = process.memoryUsage().external;
      await (async () => {
        for (let i = 0; i < 3; i++) {
          const model = await loadModel(options);
          await model.startGeneration(8).feed(Int32Array.of(1, 2));
        }
      })();
      const held = process.memoryUsage().external - external, most = threads();
      for (let i = 0; i < 400 && threads() > before; i++) { gc(); await new Promise((later) => setTimeout(later, 20)); }
      console.log(JSON.stringify({ before, most, after: threads(), held, left: process.memoryUsage().external - external }));`;
    const tensors = storedTensors(resolve(FIXTURES, 'llama/model.safetensors'));
    const options = { config: source.network, tensors, dtype: 'f32', threads: 2, train: 'none', recomputeActivations: false };
    const args = ['--expose-gc', '--input-type=module', '-e', code, ADDON, JSON.stringify(options)];
    const told = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    expect(told.most).toBeGreaterThan(told.before);
    expect(told.after).toBeLessThanOrEqual(told.before);
    expect(told.held).toBeGreaterThan(0);
    expect(told.left).toBeLessThan(told.held);
  });
});

describe('windows of layers', () => {
  const wrong = [[-1, 0], [0.5, 0], [Number.NaN, 0], [2 ** 40, 0], ['8', 0], [undefined, 0], [0], [0, 0, 0], new Array(2), null];
  it.each(wrong.map((windows) => [windows]))('%j are refused', async (windows) => {
    const network = { ...source.network, windows } as NetworkConfig;
    await expect(load('llama', network)).rejects.toMatchObject({ code: 'kernel_arguments', message: expect.stringContaining('windows') });
  });
});
