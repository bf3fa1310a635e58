// A folder that two processes, threads or runs want at once, and one that a killed process left.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { isHeld, type Owner, RunLock } from '../../../lib/training/run/lock.js';
import { train } from '../../../lib/training/run/train.js';
import { lossesOf, stoppedAt, tinyRecipe, trained } from '../../support/events.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const made = () => {
  const folder = place();
  mkdirSync(folder);
  return folder;
};
const lockIn = (folder: string) => join(folder, 'run.lock');
const owner = (folder: string): Owner => JSON.parse(readFileSync(lockIn(folder), 'utf8'));

describe('a folder', () => {
  it('is one run’s at a time, and free again when it lets go', async () => {
    const folder = made();
    const first = await RunLock.take(folder);
    await expect(RunLock.take(folder)).rejects.toMatchObject({
      code: 'run_in_use',
      kind: 'request',
      message: expect.stringMatching(new RegExp(`run\\.lock says that process ${process.pid} on .* is at work`)),
    });
    await first?.release();
    expect(readdirSync(folder)).toEqual([]);
    await (await RunLock.take(folder))?.release();
  });

  it('that is not there is no one’s', async () => {
    expect(await RunLock.take(place())).toBeUndefined();
  });

  it('is taken by one of several that find a lock left behind', async () => {
    const folder = made();
    await (await RunLock.take(folder))?.release();
    const first = await RunLock.take(folder);
    const gone = { ...owner(folder), thread: '1/task/999999999', began: '1', token: 'gone' };
    await first?.release();
    writeFileSync(lockIn(folder), JSON.stringify(gone));
    const taken = await Promise.allSettled(Array.from({ length: 8 }, () => RunLock.take(folder)));
    const won = taken.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(won).toHaveLength(1);
    await won[0]?.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is let go of by whoever holds it alone', async () => {
    const folder = made();
    const lock = await RunLock.take(folder);
    writeFileSync(lockIn(folder), JSON.stringify({ ...owner(folder), token: 'another' }));
    await lock?.release();
    expect(readdirSync(folder)).toEqual(['run.lock']);
  });
});

describe('the owner of a lock', async () => {
  const folder = made();
  await RunLock.take(folder);
  const here = owner(folder);
  const isLinux = process.platform === 'linux';

  it('is at work where its thread is, be it silent for hours', () => {
    expect(isHeld(here, 3_600_000)).toBe(true);
  });

  it.skipIf(!isLinux)('is gone where its number is another thread’s now, or the machine was booted', () => {
    expect(isHeld({ ...here, began: `${Number(here.began) - 1}` }, 0)).toBe(false);
    expect(isHeld({ ...here, boot: 'earlier' }, 0)).toBe(false);
  });

  it('on another machine or in another container is told by its age', () => {
    for (const other of [{ ...here, host: 'elsewhere' }, { ...here, space: 'pid:[1]' }, undefined]) {
      expect(isHeld(other, 10_000)).toBe(true);
      expect(isHeld(other, 120_000)).toBe(false);
    }
  });

  it.skipIf(!isLinux)('is a thread: one that was ended leaves its process at work', async () => {
    const left = made();
    const text = JSON.stringify({ ...here, token: 'thread' });
    const source = `const { readlinkSync, readFileSync, writeFileSync } = require('node:fs');
      const thread = readlinkSync('/proc/thread-self');
      const began = readFileSync('/proc/' + thread + '/stat', 'utf8').split(') ').at(-1).split(' ')[19];
      writeFileSync(${JSON.stringify(lockIn(left))}, JSON.stringify({ ...${text}, thread, began }));
      require('node:worker_threads').parentPort.postMessage(0); setInterval(() => {}, 1000);`;
    const worker = new Worker(source, { eval: true });
    await new Promise((told) => worker.once('message', told));
    await expect(RunLock.take(left)).rejects.toMatchObject({ code: 'run_in_use' });
    await worker.terminate();
    await (await RunLock.take(left))?.release();
  });

  it('that wrote nothing is gone when its lock is old', async () => {
    const left = made();
    writeFileSync(lockIn(left), '');
    await expect(RunLock.take(left)).rejects.toMatchObject({ code: 'run_in_use' });
    const before = new Date(Date.now() - 600_000);
    utimesSync(lockIn(left), before, before);
    await (await RunLock.take(left))?.release();
  });
});

describe('a run', () => {
  it('is not gone on with while it runs, and is when it has ended', async () => {
    const recipe = tinyRecipe(place());
    let refused: unknown;
    for await (const event of train(recipe)) {
      if (event.event !== 'checkpoint' || event.step !== 4) continue;
      refused = await trained(recipe, { resume: true }).catch((error) => error);
    }
    expect(refused).toMatchObject({ code: 'run_in_use' });
    expect(readdirSync(recipe.out)).not.toContain('run.lock');
    expect(await trained(recipe, { resume: true })).toHaveLength(1);
  });

  it('goes on where a killed process left its lock', async () => {
    const recipe = tinyRecipe(place());
    await stoppedAt(recipe, 3);
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const folder = made();
    await RunLock.take(folder);
    writeFileSync(lockIn(recipe.out), JSON.stringify({ ...owner(folder), thread: `${pid}/task/${pid}`, token: 'killed' }));
    expect(lossesOf(await trained(recipe, { resume: true }))).toHaveLength(3);
    expect(readdirSync(recipe.out)).not.toContain('run.lock');
  });
});
