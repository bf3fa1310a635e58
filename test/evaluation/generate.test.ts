import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GenerateOptions } from '../../lib/evaluation/generate.js';
import { generate } from '../../lib/evaluation/index.js';
import { loadModel, type Model } from '../../lib/evaluation/model.js';
import { stories260k, WITHOUT } from '../support/shared.js';
import { scratchFolder, writeTinyModel } from '../support/tiny_model.js';

const scratch = scratchFolder();
const folder = writeTinyModel(join(scratch, 'model'));
let model: Model;
beforeAll(async () => {
  model = await loadModel(folder, { dtype: 'f32', threads: 1 });
});
afterAll(() => model.dispose());

async function whole(prompt: string, options: GenerateOptions, of: Model = model) {
  const pieces = of.generate(prompt, options);
  let text = '';
  for (let next = await pieces.next(); ; next = await pieces.next()) {
    if (next.done) return { ...next.value, streamed: text };
    text += next.value.text;
  }
}

const greedy = { temperature: 0, maxNewTokens: 12 };

describe('generate', () => {
  it('takes the likeliest token, the same with and without cache', async () => {
    const { ids, promptTokens, stopReason } = await whole('ab', greedy);
    expect([ids.length, promptTokens, stopReason]).toEqual([12, 3, 'length']);
    const row = Int32Array.of(256, 97, 98, ...ids);
    const logits = await model.native.logits(row, Int32Array.of(0, row.length));
    const best = (position: number) => {
      const own = logits.subarray(position * 264, (position + 1) * 264);
      return own.indexOf(Math.max(...own));
    };
    expect(ids).toEqual(ids.map((_, n) => best(2 + n)));
  });

  it('streams what it returns, whole characters only', async () => {
    const { text, streamed, ids } = await whole('cells', { temperature: 1.5, seed: 3, maxNewTokens: 60 });
    expect(streamed).toBe(text);
    expect(text).toBe(
      model.tokenizer.decode(
        ids.filter((id) => id !== 257),
        { continues: true },
      ),
    );
  });

  it('draws the same tokens from the same seed, others from another', async () => {
    const draw = async (seed: number) => (await whole('x', { seed, temperature: 1, maxNewTokens: 20 })).ids;
    expect(await draw(5)).toEqual(await draw(5));
    expect(await draw(6)).not.toEqual(await draw(5));
    expect((await whole('x', { seed: 1, topK: 1, temperature: 1, maxNewTokens: 12 })).ids).toEqual((await whole('x', greedy)).ids);
  });

  it('ends at an end token, which is among the ids and not in the text', async () => {
    const { ids } = await whole('ab', greedy);
    const end = ids[4] as number;
    const other = writeTinyModel(join(scratch, 'ends'));
    writeFileSync(join(other, 'generation_config.json'), JSON.stringify({ eos_token_id: [257, end] }));
    const ending = await loadModel(other, { dtype: 'f32' });
    const got = await whole('ab', greedy, ending);
    ending.dispose();
    expect(got.ids).toEqual(ids.slice(0, ids.indexOf(end) + 1));
    expect(got.stopReason).toBe('eos');
    expect(got.text).toBe(ending.tokenizer.decode(got.ids.slice(0, -1), { continues: true }));
  });

  it('never goes beyond the context', async () => {
    const filled = await whole('x'.repeat(255), greedy);
    expect([filled.promptTokens, filled.ids.length, filled.stopReason]).toEqual([256, 1, 'length']);
    await expect(whole('x'.repeat(256), greedy)).rejects.toMatchObject({ code: 'beyond_context', kind: 'request' });
  });

  it('asks for a template where a chat is wanted and none is there', async () => {
    await expect(whole('x', { ...greedy, chat: true })).rejects.toMatchObject({ code: 'bad_prompt' });
  });

  it('puts a chat into the frame of the model’s template', async () => {
    const other = writeTinyModel(join(scratch, 'chat'));
    const template =
      "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    writeFileSync(join(other, 'chat_template.jinja'), template);
    const chat = await loadModel(other, { dtype: 'f32' });
    const { promptTokens } = await whole('hi', { ...greedy, system: 'be brief' }, chat);
    chat.dispose();
    expect(promptTokens).toBe('[system]be brief[user]hi[assistant]'.length);
  });

  it('stops when asked, and lets go of its cache when its reader does', async () => {
    await expect(whole('x', { ...greedy, signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    for await (const { id } of model.generate('x', greedy)) {
      expect(id).toBeGreaterThanOrEqual(0);
      break;
    }
  });

  it.skipIf(stories260k === undefined)(`goes on with a story and stops at a text ${WITHOUT}`, async () => {
    const pieces = generate('Once upon a time', {
      model: stories260k as string,
      dtype: 'f32',
      temperature: 0,
      maxNewTokens: 40,
      stop: ['.'],
    });
    let next = await pieces.next();
    while (!next.done) next = await pieces.next();
    expect(next.value).toMatchObject({ text: ', there was a little girl named Lily', stopReason: 'stop' });
  });
});
