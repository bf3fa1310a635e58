import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readAdapter } from '../../lib/checkpoint/adapter_read.js';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { evaluate } from '../../lib/evaluation/index.js';
import { merge } from '../../lib/evaluation/merge.js';
import { compareLogits, measuredBound, parityOf } from '../../lib/evaluation/parity.js';
import { networkConfig } from '../../lib/network/config.js';
import { linearLayers } from '../../lib/network/linears.js';
import { expectRatio, ROUNDINGS, ULPS, UNIT } from '../support/bounds.js';
import { tinyText } from '../support/events.js';
import { writeTinyAdapter } from '../support/tiny_adapter.js';
import { scratchFolder, TINY_CONFIG, writeTinyModel } from '../support/tiny_model.js';

const scratch = scratchFolder();

describe('parity', () => {
  it('is perfect for equal logits and tells how far others are', () => {
    const one = Float32Array.of(1, 2, 3, 0, 5, 0);
    expect(compareLogits(one, one, 3)).toEqual({ maxLogitDifference: 0, kl: 0, greedyMatch: 1 });
    const shifted = one.map((value) => value + 2);
    expect(compareLogits(one, shifted, 3)).toEqual({ maxLogitDifference: 2, kl: expect.any(Number), greedyMatch: 1 });
    // Whole numbers, in double: some roundings of terms of the size of 1.
    expect(Math.abs(compareLogits(one, shifted, 3).kl)).toBeLessThanOrEqual(16 * 2 ** -53);
    // log 2 by hand: (0, 0) against (log 3, 0) → KL = ½ log(½ / ¾) + ½ log(½ / ¼)
    const { kl, greedyMatch } = compareLogits(Float32Array.of(0, 0), Float32Array.of(0, Math.log(3)), 2);
    // log 3 is given in fp32.
    expectRatio(kl, 0.5 * Math.log(2 / 3) + 0.5 * Math.log(2), 4 * UNIT.f32, 'kl');
    expect(greedyMatch).toBe(0);
  });

  it('allows 16-bit weights three times what bf16 arithmetic does to logits, so that a lost adapter is seen', () => {
    const [logits, inBf16] = [Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 2, 3.5, 4)];
    const bound = (stored: 'f32' | 'f16' | 'bf16') => measuredBound(logits, inBf16, stored, { vocabulary: 2, inner: 1536 });
    // Roundoffs 2^-8, 2^-11, 2^-24, and of the sums 2^-24 √1536; in double.
    const sums = 2 ** -24 * Math.sqrt(1536);
    expectRatio(bound('bf16'), 1.5 * 2 ** 8 * Math.hypot(2 ** -8, sums), ULPS, 'bf16');
    expectRatio(bound('f16'), 1.5 * 2 ** 8 * Math.hypot(2 ** -11, sums), ULPS, 'f16');
    expectRatio(bound('f32'), 4 * 2 ** -16 * Math.sqrt(1537), ULPS, 'f32');
  });

  it.each(['f32', 'f16', 'bf16'] as const)('of a model merged in %s is within what rounding explains, and not by far', async (dtype) => {
    const model = writeTinyModel(join(scratch, `model-${dtype}`));
    const layers = linearLayers(networkConfig(TINY_CONFIG, 'config.json'));
    const adapter = writeTinyAdapter(join(scratch, `adapter-${dtype}`), layers);
    const { parity } = await merge({ model, adapter, out: join(scratch, `merged-${dtype}`), dtype });
    expect(parity.good).toBe(true);
    // A bound that is a hundred times what happens would call a wrong scale good.
    expect(parity.maxLogitDifference).toBeGreaterThan(0.01 * parity.bound);
    const other = writeTinyAdapter(join(scratch, `other-${dtype}`), layers, { alpha: 24 });
    const config = networkConfig(TINY_CONFIG, 'config.json');
    const base = await openModelFolder(model);
    const judged = await parityOf(base, await readAdapter(other, config), join(scratch, `merged-${dtype}`));
    expect(judged.good).toBe(false);
    expect(judged.maxLogitDifference).toBeGreaterThan(judged.bound);
  });

  it('of a merged model is near, and evaluate says so too', async () => {
    const model = writeTinyModel(join(scratch, 'model'));
    const adapter = writeTinyAdapter(join(scratch, 'adapter'), linearLayers(networkConfig(TINY_CONFIG, 'config.json')));
    const out = join(scratch, 'merged');
    const data = join(scratch, 'rows.jsonl');
    writeFileSync(data, JSON.stringify({ text: tinyText(3) }));
    const result = await merge({ model, adapter, out, dtype: 'f32' });
    expect(result.out).toBe(out);
    expect(result.parity.maxLogitDifference).toBeLessThan(1e-4);
    expect(result.parity.kl).toBeLessThan(1e-8);
    expect(result.parity.greedyMatch).toBe(1);
    const nats = async (options: { model: string; adapter?: string }) => (await evaluate({ ...options, data, dtype: 'f32' })).nll;
    expectRatio(await nats({ model: out }), await nats({ model, adapter }), ROUNDINGS, 'nats');
    expect(Math.abs((await nats({ model })) - (await nats({ model: out })))).toBeGreaterThan(1e-3);
    await expect(merge({ model, adapter, out })).rejects.toMatchObject({ code: 'output_exists' });
    await expect(merge({ model, adapter: join(scratch, 'none'), out: join(scratch, 'other') })).rejects.toMatchObject({
      code: 'missing_adapter',
    });
    expect(existsSync(join(scratch, 'other'))).toBe(false);
  });
});
