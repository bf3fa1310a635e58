// A whole model for sequence classification as the judge of another method's answers.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ADAPTER, stepsOf, trained } from '../../support/events.js';
import { preferenceRecipe, tinyPairs } from '../../support/preferences.js';
import { scratchFolder, writeTinyModel } from '../../support/tiny_model.js';

const scratch = scratchFolder();

it('rewards answers with normalised scores; a model that is none is refused', async () => {
  const train = { rowsPerStep: 2, steps: 2, shuffle: false };
  const judge = preferenceRecipe(join(scratch, 'judge'), { name: 'reward' }, tinyPairs(8), { train: { ...train, steps: 4 } });
  const { output } = (await trained(judge)).at(-1) as { output: string };
  const folder = join(scratch, 'policy');
  const method = (model: string) => ({ name: 'grpo', rewards: [{ model }], samplesPerPrompt: 3, maxNewTokens: 4 });
  const rows = tinyPairs(4).map(({ prompt }) => ({ prompt }));
  const [step] = stepsOf(await trained(preferenceRecipe(folder, method(output), rows, { adapter: ADAPTER, train })));
  expect(Number.isFinite(step?.reward)).toBe(true);
  expect(step?.rewardStd).toBeGreaterThan(0);
  const words = writeTinyModel(join(scratch, 'words'));
  await expect(
    trained(preferenceRecipe(folder, method(words), rows, { adapter: ADAPTER, train, out: join(scratch, 'other') })),
  ).rejects.toMatchObject({
    kind: 'data',
    code: 'bad_reward_model',
  });
});
