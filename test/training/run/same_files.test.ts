// Going on from a checkpoint: files that changed, files that only lie elsewhere, and the time that templates are told.
import { appendFileSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { RecipeInput, StagedInput } from '../../../lib/recipe/index.js';
import { checkSameFiles } from '../../../lib/training/run/same_files.js';
import { dateAt, wallTime } from '../../../lib/training/run/time.js';
import { ADAPTER, lossesOf, stoppedAt, stoppedWhen, tinyRecipe, trained, writeRows } from '../../support/events.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const resume = { resume: true };

const TEMPLATE = `{% for message in messages %}{{ message.role }} {{ strftime_now('%d %b %Y %H:%M') }}: {{ message.content }}{{ eos_token }}{% endfor %}`;

/** Conversations by a template that tells the time. */
function dated(change: Record<string, unknown> = {}) {
  const recipe = tinyRecipe(place(), { method: 'sft', adapter: ADAPTER, template: 'chat', ...change });
  const says = (n: number) => ({
    messages: [
      { role: 'user', content: `light ${n}` },
      { role: 'assistant', content: `grows ${n}` },
    ],
  });
  writeRows(
    recipe.data,
    Array.from({ length: 12 }, (_, n) => says(n)),
  );
  writeFileSync(join(recipe.model, 'chat_template.jinja'), TEMPLATE);
  return recipe;
}

describe('a file that changed after the checkpoint is named', () => {
  const change = (file: string) => (model: string) => appendFileSync(join(model, file), ' ');
  it.each<[string, (model: string) => void]>([
    ['tokenizer.json', change('tokenizer.json')],
    ['tokenizer.json', (model) => writeFileSync(join(model, 'tokenizer.json'), '{}')],
    ['tokenizer_config.json', change('tokenizer_config.json')],
    ['chat_template.jinja', change('chat_template.jinja')],
    ['chat_template.jinja (gone)', (model) => rmSync(join(model, 'chat_template.jinja'))],
    ['added_tokens.json (new)', (model) => writeFileSync(join(model, 'added_tokens.json'), '{}')],
    ['special_tokens_map.json (new)', (model) => writeFileSync(join(model, 'special_tokens_map.json'), '{}')],
    ['generation_config.json (new)', (model) => writeFileSync(join(model, 'generation_config.json'), '{"eos_token_id":5}')],
    [
      'additional_chat_templates/tool_use.jinja (new)',
      (model) => {
        mkdirSync(join(model, 'additional_chat_templates'));
        writeFileSync(join(model, 'additional_chat_templates/tool_use.jinja'), 'x');
      },
    ],
  ])('%s', async (name, harm) => {
    const recipe = dated();
    await stoppedAt(recipe, 3);
    harm(recipe.model);
    const error = { code: 'data_changed', kind: 'request', message: expect.stringContaining(name) };
    await expect(trained(recipe, resume)).rejects.toMatchObject(error);
  });

  it('before a run that left no checkpoint begins anew, and before one that samples goes on', async () => {
    const recipe = dated();
    await stoppedAt(recipe, 1);
    rmSync(join(recipe.out, 'checkpoints'), { recursive: true });
    appendFileSync(join(recipe.model, 'tokenizer.json'), ' ');
    await expect(trained(recipe, resume)).rejects.toMatchObject({ code: 'data_changed' });
    const sampling = tinyRecipe(place(), { method: { name: 'sample', samplesPerPrompt: 2, maxNewTokens: 4 } });
    writeRows(
      sampling.data,
      Array.from({ length: 20 }, (_, n) => ({ prompt: `light ${n} ` })),
    );
    await stoppedWhen(sampling, ({ event }) => event === 'sampled');
    appendFileSync(join(sampling.model, 'tokenizer.json'), ' ');
    await expect(trained(sampling, resume)).rejects.toMatchObject({ code: 'data_changed' });
  });

  it('in a stage that is whole, too', async () => {
    const { method: _, ...outside } = tinyRecipe(place(), { adapter: { ...ADAPTER, dropout: 0 }, evaluate: null });
    const other = writeRows(`${outside.data}-2.jsonl`, [{ text: 'water and light' }, { text: 'roots that grow' }]);
    const stages = [{ method: 'pretrain' }, { method: 'pretrain', data: other }];
    const recipe = { ...outside, stages } as unknown as StagedInput & { data: string };
    await stoppedWhen(recipe, (event) => event.event === 'step' && event.stage === 2 && event.step === 2);
    appendFileSync(recipe.data, '{"text":"more"}\n');
    await expect(trained(recipe, resume)).rejects.toMatchObject({ code: 'data_changed', message: expect.stringContaining('rows.jsonl') });
  });
});

it('names ids that differ though no file does', () => {
  expect(() => checkSameFiles({ ids: 'a' }, { ids: 'b' })).toThrow(/what the rows come to in ids changed/);
  const files = (...hashes: string[]) => ({ data: Object.fromEntries(hashes.map((hash, n) => [`f${n}`, hash])) });
  expect(() => checkSameFiles(files('1', '2'), { data: { x: '1', y: '2' } })).not.toThrow();
  expect(() => checkSameFiles(files('1', '2'), files('2', '1'))).toThrow(/f0, f1/);
  expect(() => checkSameFiles(files('1', '2'), files('1'))).toThrow(/f1/);
});

describe('a run goes on to the same bytes where its files lie elsewhere:', () => {
  const weights = (out: string) => readFileSync(join(out, 'adapter/adapter_model.safetensors'));

  it.each<[string, (recipe: RecipeInput & { out: string }, folder: string) => object]>([
    [
      'a renamed base',
      ({ model }, folder) => {
        renameSync(model as string, join(folder, 'base2'));
        return { model: join(folder, 'base2') };
      },
    ],
    [
      'a renamed file of rows',
      ({ data }, folder) => {
        renameSync(data as string, join(folder, 'other.jsonl'));
        return { data: join(folder, 'other.jsonl') };
      },
    ],
    [
      'a link to the whole project',
      (_recipe, folder) => {
        symlinkSync(folder, `${folder}-link`);
        const under = (name: string) => join(`${folder}-link`, name);
        return { model: under('model'), data: under('rows.jsonl'), evaluate: { data: under('held.jsonl'), every: 3 }, out: under('out') };
      },
    ],
    [
      'a moved project',
      (_recipe, folder) => {
        renameSync(folder, `${folder}-moved`);
        const under = (name: string) => join(`${folder}-moved`, name);
        return { model: under('model'), data: under('rows.jsonl'), evaluate: { data: under('held.jsonl'), every: 3 }, out: under('out') };
      },
    ],
    [
      'held-out rows of a copied file',
      ({ evaluate }, folder) => {
        const { data } = evaluate as { data: string };
        cpSync(data, join(folder, 'held2.jsonl'));
        return { evaluate: { data: join(folder, 'held2.jsonl'), every: 3 } };
      },
    ],
  ])('%s', async (_what, move) => {
    const folder = place();
    const recipe = tinyRecipe(folder, { adapter: ADAPTER });
    const held = writeRows(join(folder, 'held.jsonl'), [{ text: 'deep water falls' }]);
    const evaluated = { ...recipe, evaluate: { data: held, every: 3 } } as typeof recipe;
    const whole = { ...evaluated, out: place() };
    await trained(whole);
    await stoppedAt(evaluated, 3);
    const moved = { ...evaluated, ...move(evaluated, folder) };
    const { out } = moved;
    expect(lossesOf(await trained(moved as RecipeInput, resume))).toHaveLength(3);
    expect(weights(out)).toEqual(weights(whole.out));
  });
});

describe('the time that templates are told', () => {
  afterEach(() => {
    vi.useRealTimers();
  });
  const clock = (time: string) => vi.useFakeTimers({ toFake: ['Date'], now: new Date(time) });
  const weights = (out: string) => readFileSync(join(out, 'adapter/adapter_model.safetensors'));

  it('is that of the first step in a run that goes on a day later', async () => {
    const recipe = dated();
    const whole = { ...recipe, out: place() };
    clock('2026-03-04T23:59:30');
    await trained(whole);
    await stoppedAt(recipe, 3);
    clock('2026-03-06T01:00:00');
    await trained(recipe, resume);
    expect(weights(recipe.out)).toEqual(weights(whole.out));
    const other = { ...recipe, out: place() };
    await trained(other);
    expect(weights(other.out)).not.toEqual(weights(whole.out));
  });

  it('is that of the first stage in all stages, also in one that begins a day later', async () => {
    const { method: _, ...outside } = dated({ adapter: { ...ADAPTER, dropout: 0 }, train: { steps: 2 } });
    const recipe = { ...outside, stages: [{ method: 'sft' }, { method: 'sft', train: { seed: 2 } }] } as unknown as StagedInput & {
      out: string;
    };
    const whole = { ...recipe, out: place() };
    clock('2026-03-04T12:00:00');
    await trained(whole);
    await stoppedWhen(recipe, (event) => event.event === 'step' && event.stage === 1);
    clock('2026-03-06T01:00:00');
    await trained(recipe, resume);
    expect(weights(recipe.out)).toEqual(weights(whole.out));
  });

  it('comes back as the clock on the wall showed it', () => {
    const date = new Date(2026, 0, 5, 3, 7, 9);
    expect(wallTime(date)).toBe('2026-01-05T03:07:09');
    expect(dateAt(wallTime(date)).getTime()).toBe(date.getTime());
  });
});
