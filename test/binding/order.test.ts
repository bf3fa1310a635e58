// The order of calls on a model: what a pass kept belongs to that pass and its adapter, and calls run as they were made, awaited or not.
import { beforeEach, describe, expect, it } from 'vitest';
import type { AdapterOptions, ForwardBatch, NativeModel } from '../../lib/native.js';
import { batchOf, family, load } from '../transformer/fixtures.js';

const source = family('llama');
const { hidden, heads, headSize, vocabulary } = source.network;
const batch = batchOf(source.ids, source.trained);
const T = batch.targets.filter((id) => id >= 0).length;
const of = (count: number, value = 0.01) => new Float32Array(count).fill(value);
const NAME = 'model.layers.0.self_attn.q_proj';
const adapter = (rank: number, more: Partial<AdapterOptions> = {}): AdapterOptions => {
  const target = { name: NAME, rank, a: of(rank * hidden), b: of(heads * headSize * rank) };
  return { train: true, scale: 1, dropout: 0, targets: [target], ...more };
};
const STEP = { learningRate: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, scale: 1, step: 1 };

let model: NativeModel;
beforeEach(async () => {
  model = await load('llama', source.network);
  await model.setAdapter(adapter(4));
  return () => model.dispose();
});
const keep = (more: Partial<ForwardBatch> = {}, options = {}) => model.forward({ ...batch, ...more }, { keep: true, ...options });
const refused = (code: string, message: string | RegExp) => ({ code, message: expect.stringMatching(message) });

describe('gradients of a pass', () => {
  it.each([0, 1, T - 1, T + 1])('are refused where logprob has %i numbers, and the pass is kept', async (count) => {
    await keep();
    await expect(model.backward({ logprob: of(count) })).rejects.toMatchObject(
      refused('model_arguments', `logprob: expected ${T} numbers`),
    );
    expect(await model.gradientNorm()).toBe(0);
    await model.backward({ logprob: of(T) });
    expect(await model.gradientNorm()).toBeGreaterThan(0);
  });

  it.each(['lse', 'entropy', 'mean'] as const)('are refused where %s is of another length', async (name) => {
    await keep({}, { entropy: true, mean: true });
    for (const count of [0, 1, T - 1, T + 1])
      await expect(model.backward({ logprob: of(T), [name]: of(count) })).rejects.toThrow(`${name}: expected ${T} numbers`);
    await model.backward({ logprob: of(T), [name]: of(T) });
  });

  it.each(['entropy', 'mean'] as const)('are refused where the pass gave no %s', async (name) => {
    await keep();
    await expect(model.backward({ logprob: of(T), [name]: of(T) })).rejects.toThrow(`${name}: expected 0 numbers`);
  });

  it('must hold the scores, and only those that the pass gave', async () => {
    await model.setHead(of(hidden));
    await keep({ scoreRows: Int32Array.of(0, 1, 2) });
    for (const score of [undefined, of(0), of(2), of(4)])
      await expect(model.backward({ logprob: of(T), ...(score && { score }) })).rejects.toThrow('score: expected 3 numbers');
    await model.backward({ logprob: of(T), score: of(3) });
    await keep();
    await expect(model.backward({ logprob: of(T), score: of(3) })).rejects.toThrow('score: expected 0 numbers');
  });

  it('are those of targetRows where these are given, be they none', async () => {
    const none = { targetRows: new Int32Array(0), targetIds: new Int32Array(0) };
    expect((await keep(none)).logprob).toHaveLength(0);
    await expect(model.backward({ logprob: of(T) })).rejects.toThrow('logprob: expected 0 numbers');
    await model.backward({ logprob: of(0) });
    expect(await model.gradientNorm()).toBe(0);
  });
});

describe('a pass that was kept', () => {
  const prompt = Int32Array.from(source.ids[0]!);
  const between: Record<string, () => Promise<unknown> | unknown> = {
    'its adapter is removed': () => model.removeAdapter('default'),
    'a larger adapter takes its place': () => model.setAdapter(adapter(64)),
    'a smaller adapter takes its place': () => model.setAdapter(adapter(1)),
    'an adapter that is not trained takes its place': () => model.setAdapter(adapter(4, { train: false })),
    'a head is set': () => model.setHead(of(hidden)),
    'a step is made': () => model.step(STEP),
    'weights are written': async () => model.write(model.parameters()[0]!.name, 'value', of(4 * hidden)),
    'a backward went through it': () => model.backward({ logprob: of(T) }),
    'a pass runs that is not kept': () => model.forward(batch),
    'logits are asked for': () => model.logits(new Int32Array(600), Int32Array.of(0, 600)),
    'a generation is fed': () => model.startGeneration(64).feed(prompt),
    'a rollout advances': () => model.startRollout({ prompts: [prompt], samples: 4, maxNewTokens: 8 }).advance(4),
    'a pass fails': () => keep({ scoreRows: Int32Array.of(0) }).catch(() => {}),
  };
  it.each(Object.keys(between))('is gone when %s', async (what) => {
    await keep();
    await between[what]!();
    const told = /^backward needs a forward pass with keep: true before it; .+, so that the one that was kept is gone$/;
    await expect(model.backward({ logprob: of(T) })).rejects.toMatchObject(refused('model_arguments', told));
    expect(model.memory().weights).toBeGreaterThan(0);
  });

  const harmless: Record<string, () => Promise<unknown> | unknown> = {
    'another adapter is refused': () => expect(model.setAdapter(adapter(4, { scale: Number.NaN }))).rejects.toThrow('scale'),
    'gradients are asked for': async () => model.read(model.parameters()[0]!.name, 'gradient'),
    'moments are written': async () => model.write(model.parameters()[0]!.name, 'first', of(4 * hidden)),
    'an unknown adapter is asked for': () =>
      expect(model.forward(batch, { adapter: 'nobody' }))
        .rejects.toThrow('nobody')
        .then(() => keep()),
  };
  it.each(Object.keys(harmless))('can be gone back through when %s', async (what) => {
    await keep();
    await harmless[what]!();
    await model.backward({ logprob: of(T) });
    expect(await model.gradientNorm()).toBeGreaterThan(0);
  });

  it('is needed at all', async () => {
    await expect(model.backward({ logprob: of(1) })).rejects.toMatchObject({
      message: 'backward needs a forward pass with keep: true before it',
    });
  });
});

describe('an adapter that does not fit', () => {
  const [target] = adapter(8).targets;
  const wrong: [string, AdapterOptions, string][] = [
    [
      'whose last factors are short',
      adapter(8, { targets: [target!, { ...target!, name: NAME.replace('q', 'v'), a: of(3) }] }),
      'expected A',
    ],
    [
      'for a layer that is not there',
      adapter(8, { targets: [target!, { ...target!, name: 'model.layers.99.q' }] }),
      'no linear layer named',
    ],
    ['that names a layer twice', adapter(8, { targets: [target!, target!] }), 'named twice'],
    ['with a scale of NaN', adapter(8, { scale: Number.NaN }), 'scale'],
    ['with an infinite scale', adapter(8, { scale: Number.POSITIVE_INFINITY }), 'scale'],
    ['with a scale beyond a float', adapter(8, { scale: -1e39 }), 'scale'],
    ['with a dropout of NaN', adapter(8, { dropout: Number.NaN }), 'dropout'],
    ['with a NaN among its factors', adapter(8, { targets: [{ ...target!, b: of(heads * headSize * 8, Number.NaN) }] }), 'b[0]'],
    ['with an infinite factor', adapter(8, { targets: [{ ...target!, a: of(hidden * 8, Number.POSITIVE_INFINITY) }] }), 'a[0]'],
  ];
  it.each(wrong)('%s changes nothing', async (_, options, message) => {
    await model.setHead(of(hidden));
    const before = [model.parameters(), (await model.forward(batch)).logprob];
    await expect(model.setAdapter(options)).rejects.toThrow(message);
    expect([model.parameters(), (await model.forward(batch)).logprob]).toEqual(before);
    expect(await model.head()).toEqual(of(hidden));
    await keep();
    await model.backward({ logprob: of(T) });
    await model.step(STEP);
    expect((await model.forward(batch)).logprob).not.toEqual(before[1]);
  });

  it('under a new name is not there afterwards', async () => {
    await expect(model.setAdapter({ ...wrong[0]![1], name: 'new' })).rejects.toThrow('expected A');
    expect(() => model.parameters('new')).toThrow('no adapter is named new');
  });
});

describe('a batch', () => {
  const N = batch.tokens.length;
  it.each([
    [[0, 2, 2, N]], // an empty sequence
    [[0, N, N]],
    [[0, 3, 2, N]],
    [[1, N]],
    [[0, N - 1]],
    [[]],
  ])('is refused with the offsets %j', async (starts) => {
    const sequenceStarts = Int32Array.from(starts);
    const error = refused('kernel_arguments', `sequenceStarts: expected rising offsets from 0 to the number of tokens, ${N}`);
    await expect(keep({ sequenceStarts })).rejects.toMatchObject(error);
    await expect(model.logits(batch.tokens, sequenceStarts)).rejects.toMatchObject(error);
  });

  it('of no sequence is a pass of nothing', async () => {
    const none = new Int32Array(0);
    const { logprob } = await keep({ tokens: none, targets: none, sequenceStarts: Int32Array.of(0) });
    expect(logprob).toEqual(new Float32Array(0));
    await model.backward({ logprob });
    expect(await model.gradientNorm()).toBe(0);
  });
});

describe('an adapter that was never set', () => {
  it('is refused by every pass, and never the base', async () => {
    await expect(model.forward(batch, { adapter: 'nobody' })).rejects.toMatchObject(
      refused('model_arguments', 'no adapter is named nobody'),
    );
    await expect(model.logits(batch.tokens, batch.sequenceStarts, { adapter: 'nobody' })).rejects.toThrow('nobody');
    await expect(model.startGeneration(8, 'nobody').feed(Int32Array.of(1))).rejects.toThrow('nobody');
    const rollout = model.startRollout({ prompts: [Int32Array.of(1)], adapter: 'nobody' });
    await expect(rollout.advance(1)).rejects.toThrow('nobody');
    await expect(model.removeAdapter('nobody')).rejects.toThrow('nobody');
  });

  it('is the base under the name default', async () => {
    const base = await model.forward(batch, { adapter: false });
    await model.removeAdapter('default');
    for (const options of [{}, { adapter: true }, { adapter: 'default' }])
      expect((await model.forward(batch, options)).logprob).toEqual(base.logprob);
  });
});

describe('what writes text with an adapter', () => {
  const prompts = [Int32Array.from(source.ids[0]!)];
  it.each(['removed', 'set anew'])('ends when it is %s', async (what) => {
    await model.setAdapter(adapter(4, { name: 'x' }));
    const generation = model.startGeneration(64, 'x');
    const rollout = model.startRollout({ prompts, samples: 2, maxNewTokens: 16, adapter: 'x' });
    await Promise.all([generation.feed(prompts[0]!), rollout.advance(2)]);
    await (what === 'removed' ? model.removeAdapter('x') : model.setAdapter(adapter(64, { name: 'x' })));
    const told = what === 'removed' ? 'no adapter is named x' : "the adapter 'x' was set or removed since";
    await expect(generation.feed(Int32Array.of(1))).rejects.toThrow(told);
    await expect(rollout.advance(1)).rejects.toThrow(told);
  });
});

describe('calls that are not awaited', () => {
  it('run in the order in which they were made', async () => {
    const straight = await load('llama', source.network);
    await straight.setAdapter(adapter(4));
    const expected: Float32Array[] = [];
    for (let n = 1; n <= 20; n++) {
      expected.push((await straight.forward(batch, { keep: true })).logprob);
      await straight.backward({ logprob: of(T) });
      await straight.step({ ...STEP, step: n });
    }
    const all = Array.from({ length: 20 }, (_, n) => {
      const pass = keep();
      return [pass, model.backward({ logprob: of(T) }), model.gradientNorm(), model.step({ ...STEP, step: n + 1 })] as const;
    });
    await Promise.all(all.flat());
    expect(await Promise.all(all.map(async ([pass]) => (await pass).logprob))).toEqual(expected);
    straight.dispose();
  });

  it('are checked when they run, against what the calls before them made', async () => {
    const { name } = model.parameters()[0]!;
    const rank64 = model.setAdapter(adapter(64));
    const short = model.write(name, 'first', of(4 * hidden));
    const right = model.write(name, 'first', of(64 * hidden, 3));
    const back = model.read(name, 'first');
    await expect(short).rejects.toThrow(`expected a Float32Array of ${64 * hidden}`);
    await Promise.all([rank64, right]);
    expect(await back).toEqual(of(64 * hidden, 3));
    expect(model.parameters()[0]!.shape).toEqual([64, hidden]);
  });

  it('leave a generation and a rollout to themselves while they are in work', async () => {
    const generation = model.startGeneration(64);
    await generation.feed(Int32Array.of(1, 2));
    const fed = generation.feed(Int32Array.of(3));
    expect(() => generation.sample({ temperature: 0, unit: 0 })).toThrow('the generation is in work; await');
    expect(() => generation.logits()).toThrow('is in work');
    await fed;
    expect(generation.length).toBe(3);
    expect(generation.logits()).toHaveLength(vocabulary);
    const rollout = model.startRollout({ prompts: [Int32Array.of(1)], maxNewTokens: 8 });
    const advanced = rollout.advance(2);
    expect(() => rollout.answer(0)).toThrow('is in work');
    expect(() => rollout.cancel(0, 0)).toThrow('is in work');
    await expect(rollout.advance(1)).rejects.toThrow('is in work');
    expect(rollout.length).toBe(1);
    await advanced;
    expect(rollout.answer(0).ids.length).toBeGreaterThan(0);
  });

  it('leave parameters and memory answering at once', async () => {
    let asked = 0;
    for (let i = 0; i < 20; i++) {
      const set = model.setAdapter(adapter(4 + (i % 8)));
      let done = false;
      const watched = set.finally(() => (done = true));
      for (; !done; asked++) {
        expect(model.parameters()[0]!.shape[1]).toBe(hidden);
        expect(model.memory().weights).toBeGreaterThan(0);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await watched;
      expect(model.parameters()[0]!.shape[0]).toBe(4 + (i % 8));
    }
    expect(asked).toBeGreaterThan(0);
  });

  it.each([1, 8, 33])('feed a text in several pieces as in one (%i tokens first)', async (first) => {
    const text = Int32Array.from({ length: 40 }, (_, i) => 1 + (i % 20));
    const [whole, pieces] = [model.startGeneration(64), model.startGeneration(64)];
    await whole.feed(text);
    await Promise.all([pieces.feed(text.subarray(0, first)), pieces.feed(text.subarray(first))]);
    expect(pieces.length).toBe(40);
    const far = Math.max(...pieces.logits().map((x, i) => Math.abs(x - whole.logits()[i]!)));
    // Two orders of the same fp32 sums, 64 terms deep at most: some tens of roundings of logits of size 1.
    expect(far).toBeLessThan(1e-4);
  });
});
