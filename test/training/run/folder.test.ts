import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RunFolder } from '../../../lib/training/run/folder.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const step = (n: number) => ({ event: 'step' as const, step: n, loss: 1 / n }) as never;
const lines = (path: string) => readFileSync(join(path, 'metrics.jsonl'), 'utf8').trim().split('\n');
const steps = (path: string) => lines(path).map((line) => JSON.parse(line).step);

describe('the folder of a run', () => {
  it('appears with its first files, and what was told before comes first', async () => {
    const folder = new RunFolder(place());
    await folder.tell({ event: 'warning', code: 'x', message: 'y' });
    expect(existsSync(folder.path)).toBe(false);
    await folder.create({ recipe: 'model: x\n', manifest: { a: 1 } });
    await folder.tell(step(1));
    await folder.sync();
    await folder.close();
    expect(readdirSync(folder.path).sort()).toEqual(['manifest.json', 'metrics.jsonl', 'recipe.yaml']);
    expect(lines(folder.path).map((line) => JSON.parse(line).event)).toEqual(['warning', 'step']);
  });

  it('forgets what came after the checkpoint when it is opened again', async () => {
    const folder = new RunFolder(place());
    await folder.create({ recipe: '', manifest: {} });
    for (const n of [1, 2, 3, 4]) await folder.tell(step(n));
    await folder.close();
    appendFileSync(join(folder.path, 'metrics.jsonl'), '{"event":"step","step":5,"lo');
    mkdirSync(join(folder.path, '.report.json.partial-1-ab'));
    const again = new RunFolder(folder.path);
    await again.take();
    await again.reopen({ step: 2 });
    expect(steps(folder.path)).toEqual([1, 2]);
    await again.tell(step(3));
    await again.close();
    expect(steps(folder.path)).toEqual([1, 2, 3]);
    expect(readdirSync(folder.path)).not.toContain('.report.json.partial-1-ab');
  });

  it('is not made where something is already', async () => {
    const path = place();
    mkdirSync(path);
    await expect(new RunFolder(path).create({ recipe: '', manifest: {} })).rejects.toMatchObject({ code: 'output_exists' });
    expect(readdirSync(path)).toEqual([]);
  });
});
