// 200 trainings in one process: what each of them leaves in memory.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { addon } from '../../../lib/native.js';
import { ADAPTER, tinyRecipe, trained } from '../../support/events.js';
import { scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const ROUNDS = 200;
/** Trainings after which libraries, compiled code and the heap are as large as they become. */
const WARM = 20;
/** MiB a training. A model and its moments take some 0.6 MiB here, a tokenizer that is not let go 1.5: either kept would be seen. */
const MOST = 0.25;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Slope of the least-squares line through values at 0, 1, 2, … */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  let [products, squares] = [0, 0];
  values.forEach((value, n) => {
    products += (n - middle) * value;
    squares += (n - middle) ** 2;
  });
  return products / squares;
}

// A sanitizer keeps what was freed.
it.skipIf(process.env.ATTUNE_SANITIZED)('200 trainings in one process grow by next to nothing each', async () => {
  const resident: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    const folder = join(scratch, `run${n}`);
    mkdirSync(folder);
    await trained(tinyRecipe(folder, { ...(n % 2 === 0 ? { adapter: ADAPTER } : {}), train: { steps: 3, checkpointEvery: 3 } }));
    rmSync(folder, { recursive: true });
    collect();
    resident.push(addon().residentMemory().now / 2 ** 20);
  }
  const [first, last] = [resident[WARM] as number, resident[ROUNDS - 1] as number];
  const each = slope(resident.slice(WARM));
  const told = `${first.toFixed(1)} MiB after ${WARM} trainings, ${last.toFixed(1)} after ${ROUNDS}: ${(each * 1024).toFixed(1)} KiB each`;
  process.stderr.write(`${told}\n`);
  expect(each, told).toBeLessThan(MOST);
});
