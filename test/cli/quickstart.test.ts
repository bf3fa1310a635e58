import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { quickstart } from '../../lib/cli/quickstart.js';

const root = resolve(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'attune-quickstart-'));
afterAll(() => rmSync(work, { recursive: true }));

it('fine-tunes the embedded model, and shows perplexity and samples before and after', async () => {
  const lines: string[] = [];
  const out = join(work, 'run');
  const set = ['train.epochs=1', 'compute.threads=1'];
  expect(await quickstart({ root, set, out, print: (line) => lines.push(line) })).toBe(0);
  const text = lines.join('\n');
  const [, before, after] = text.match(/held out: ([\d.]+) before, ([\d.]+) after/) ?? [];
  expect(Number(after)).toBeLessThan(Number(before));
  expect(text.match(/The fermenter/g)).toHaveLength(2);
  expect(existsSync(join(out, 'adapter/adapter_model.safetensors'))).toBe(true);
}, 60_000);
