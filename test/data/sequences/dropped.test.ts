import { describe, expect, it } from 'vitest';
import { describeCounts, previewRows, renderPreview } from '../../../lib/data/sequences/preview.js';
import { failure } from '../room.js';
import { pairs, simpleChat } from '../rows/pairs.js';
import { jsonl, load, loadFor } from './load.js';

const checks = { nothingTrained: 'drop', noStop: 'error', doubleBos: 'error' } as const;
const row = (length: number) => ({ prompt: 'p'.repeat(length), completion: 'c' });
const rows = (short: number, long: number) => jsonl(...Array(short).fill(row(2)), ...Array(long).fill(row(100)));

describe('rows that are left out', () => {
  it('above 5 % are a warning with what to change, not at 5 % or below', async () => {
    const cut = { maxLength: 20, overlong: 'truncate' } as const;
    const { warnings } = await load(rows(17, 3), cut);
    expect(warnings).toEqual([
      {
        code: 'many_dropped',
        message: expect.stringMatching(/^3 of 20 rows \(15\.0 %\) are left out, nothing trained: .*raise train\.maxLength/),
      },
    ]);
    expect((await load(rows(19, 1), cut)).warnings).toEqual([]);
    const { warnings: long } = await load(rows(17, 3), { maxLength: 20, overlong: 'drop' });
    expect(long).toEqual([{ code: 'many_dropped', message: expect.stringContaining('overlong: they are longer than train.maxLength') }]);
  });

  it('are told in previews', async () => {
    const dataset = await load(rows(1, 1), { maxLength: 20, overlong: 'drop' });
    expect(previewRows(dataset, pairs, 1).warnings).toEqual(dataset.warnings);
    expect(renderPreview(dataset, pairs, 1, false)).toContain('warning: 1 of 2 rows (50.0 %) are left out');
  });
});

describe('rows that the chat template refuses', () => {
  const good = {
    messages: [
      { role: 'user', content: 'Q?' },
      { role: 'assistant', content: 'A.' },
    ],
  };
  const bad = {
    messages: [
      { role: 'nobody', content: 'N' },
      { role: 'assistant', content: 'A.' },
    ],
  };

  it('stop the run by default, with the key that leaves them out', async () => {
    const error = await failure(() => load(jsonl(good, bad), { chat: simpleChat }));
    expect(error).toMatchObject({ code: 'refused_chat', line: 2, message: expect.stringContaining('checks.refusedChat: drop') });
  });

  it('are dropped and counted where the recipe says so', async () => {
    const dropping = { chat: simpleChat, checks: { ...checks, refusedChat: 'drop' } } as const;
    const { counts, sequences } = await load(jsonl(bad, good, bad), dropping);
    expect([sequences.length, counts.in, counts.kept, counts.dropped]).toEqual([1, 3, 1, { refused_chat: 2 }]);
    expect(describeCounts(counts)).toContain('dropped: refused chat 2');
    const pair = { prompt: bad.messages.slice(0, 1), chosen: 'A.', rejected: 'B.' };
    const { counts: ofPairs } = await loadFor('dpo', ['pairs'], jsonl(pair, { ...pair, prompt: good.messages.slice(0, 1) }), {
      ...dropping,
      template: 'chat',
    });
    expect(ofPairs.dropped).toEqual({ refused_chat: 1 });
  });

  it('are an error where no other is left', async () => {
    const dropping = { chat: simpleChat, checks: { ...checks, refusedChat: 'drop' } } as const;
    expect(await failure(() => load(jsonl(bad), dropping))).toMatchObject({
      code: 'nothing_trained',
      message: expect.stringContaining('refused_chat 1'),
    });
  });
});
