import { closeSync, mkdirSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { loadNative } from '../../lib/checkpoint/native_model.js';
import { addon, type ModelOptions } from '../../lib/native.js';
import { networkConfig } from '../../lib/network/config.js';
import { type JsonObject, scratchFolder, TINY_CONFIG } from '../support/tiny_model.js';

const scratch = scratchFolder();
const MIB = 2 ** 20;

/** Blocks of 0.5 to 3 MiB a matrix, as in published models of 100 M parameters; 14 M parameters. */
const CONFIG: JsonObject = { ...TINY_CONFIG, hidden_size: 512, intermediate_size: 1536, num_hidden_layers: 4 };

/** A folder with zeros for weights: a hole in the file, which no test has to write. */
function zerosFolder(folder: string): string {
  let at = 0;
  const header = networkConfig(CONFIG, 'config.json').tensors.map(({ name, shape }): [string, unknown] => {
    const bytes = shape.reduce((a, b) => a * b, 2);
    at += bytes;
    return [name, { dtype: 'BF16', shape, data_offsets: [at - bytes, at] }];
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(CONFIG));
  const file = join(folder, 'model.safetensors');
  const to = openSync(file, 'w');
  writeSync(to, Buffer.concat([size, text]));
  closeSync(to);
  truncateSync(file, 8 + text.length + at);
  return folder;
}

/** Loads, computes and disposes. -> resident MiB while the model is there, and afterwards. */
async function round(folder: string, train: ModelOptions['train']): Promise<{ held: number; left: number }> {
  const native = await loadNative(await openModelFolder(folder), { dtype: 'bf16', threads: 2, train });
  await native.logits(new Int32Array(64), Int32Array.of(0, 64));
  const held = addon().residentMemory().now;
  native.dispose();
  // What it held goes behind the call, off the main loop: at least the weights, 14 M numbers of two bytes, then the rest until nothing moves.
  await vi.waitFor(() => expect(addon().residentMemory().now).toBeLessThan(held - 13 * MIB), { timeout: 60_000 });
  for (let before = Infinity; addon().residentMemory().now < before - MIB / 4; ) {
    before = addon().residentMemory().now;
    await setTimeout(100);
  }
  return { held: held / MIB, left: addon().residentMemory().now / MIB };
}

// An address sanitizer keeps what was freed, to see it used again.
describe.skipIf(process.env.ATTUNE_SANITIZED)('resident memory', () => {
  const folder = zerosFolder(join(scratch, 'zeros'));

  it.each(['none', 'all'] as const)('does not grow with loads and disposals (trained: %s)', async (train) => {
    const first = await round(folder, train);
    const size = first.held - first.left;
    expect(size).toBeGreaterThan(15);
    const left: number[] = [];
    for (let i = 0; i < 5; i++) left.push((await round(folder, train)).left);
    // A heap a thread that keeps what was freed keeps whole models: 2 to 20 of them here. Half of one is room for what JavaScript holds by then.
    const growth = Math.max(...left) - first.left;
    expect(growth, `left after each: ${[first.left, ...left].map(Math.round)} MiB; a model holds ${Math.round(size)} MiB`).toBeLessThan(
      size / 2,
    );
  });
});
