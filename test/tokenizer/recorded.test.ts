import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openTokenizer } from '../../lib/tokenizer/index.js';
import { cleanUp, missing, type RecordedIds, recordings, rows, unpacked } from './recorded.js';

const JSON_FORM = (name: string) => name !== 'tokenizer.model';
const MODEL_FORM = (name: string) => name !== 'tokenizer.json';

/** Tokenizer folder, which of its files count, and the recording. */
const TOKENIZERS: [string, (name: string) => boolean, string][] = [
  ['llama2', JSON_FORM, 'llama2.json'],
  ['llama2', MODEL_FORM, 'llama2.model'],
  ['llama3_1', JSON_FORM, 'llama3_1.json'],
  ['mistral_v1', JSON_FORM, 'mistral_v1.json'],
  ['mistral_v1', MODEL_FORM, 'mistral_v1.model'],
  ['mistral_v3', MODEL_FORM, 'mistral_v3.model'],
  ['qwen2_5', JSON_FORM, 'qwen2_5.json'],
  ['olmo_1b', JSON_FORM, 'olmo_1b.json'],
  ['gpt2', JSON_FORM, 'gpt2'],
  ['../models/stories260k', (name) => name === 'tokenizer.model', 'tok512'],
];

afterAll(cleanUp);

/** llama2.c takes a ▁ that is typed in a text for the bytes that it is, SentencePiece for a space. */
const typesSpaceMark = (text: string) => text.includes('\u2581');

describe.skipIf(missing !== undefined)('recorded ids', () => {
  describe.each(TOKENIZERS)('%s', (name, keep, recording) => {
    it.each(['native', 'javascript'] as const)(`${recording}: %s engine`, async (engine) => {
      const texts = new Map(rows<{ id: string; text: string }>('cases_dev.jsonl').map(({ id, text }) => [id, text]));
      const expected = rows<RecordedIds>('expected_dev', `${recording}.jsonl.gz`).filter(
        ({ id, ids }) => ids !== null && !(recording === 'tok512' && typesSpaceMark(texts.get(id)!)),
      );
      const tokenizer = await openTokenizer(unpacked(join(recordings, name), keep), { engine });
      expect(tokenizer.engine.name).toBe(engine);
      const found = await tokenizer.encodeMany(expected.map(({ id }) => texts.get(id)!));
      const wrong = expected.filter(({ ids }, i) => ids!.join() !== found[i]!.join());
      expect(
        wrong.map(({ id, ids }) => ({ id, text: texts.get(id), ids, found: [...found[expected.findIndex((one) => one.id === id)]!] })),
      ).toEqual([]);
      const decoded = expected.map(({ id, ids, decoded_differs }) => ({
        id,
        text: tokenizer.decode(ids!),
        expected: decoded_differs ?? texts.get(id)!,
      }));
      expect(decoded.filter((one) => one.text !== one.expected)).toEqual([]);
      const spans = await tokenizer.encodeSpansMany(expected.map(({ id }) => halves(texts.get(id)!)));
      expect(spans.filter(({ ids }, i) => ids.join() !== found[i]!.join())).toEqual([]);
      console.log(`${recording}, ${engine}: ${expected.length - wrong.length} of ${expected.length} equal`);
    });
  });

  it('has every recording in its list', () => {
    for (const [, , recording] of TOKENIZERS) expect(existsSync(join(recordings, 'expected_dev', `${recording}.jsonl.gz`))).toBe(true);
  });
});

const halves = (text: string) => {
  const middle = text.length >> 1;
  return [
    { text: text.slice(0, middle), trained: false },
    { text: text.slice(middle), trained: true },
  ];
};
