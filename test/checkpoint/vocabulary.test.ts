import { describe, expect, it } from 'vitest';
import { checkIds, checkVocabulary } from '../../lib/checkpoint/vocabulary.js';
import { networkConfig } from '../../lib/network/config.js';
import { TINY_CONFIG } from '../support/tiny_model.js';

const base = { folder: 'models/x', config: networkConfig(TINY_CONFIG, 'config.json') };
const ids = (vocabularySize: number, ownVocabularySize = vocabularySize) => ({
  vocabularySize,
  ownVocabularySize,
  ends: [2],
  tokenText: (id: number) => `<${id}>`,
});

describe('a tokenizer beside a model of 264 rows', () => {
  it('may have fewer ids, or as many', () => {
    expect(checkVocabulary(base, ids(200))).toEqual([]);
    expect(checkVocabulary(base, ids(264))).toEqual([]);
  });

  it('may have added tokens at the end without rows, which is told', () => {
    expect(checkVocabulary(base, ids(265, 264))).toEqual([
      { code: 'added_ids', message: expect.stringMatching(/"<264>" \(264\) has no row/) },
    ]);
    expect(checkVocabulary(base, ids(270, 264))[0]?.message).toContain('to 269 have no row');
  });

  it('may end at ids that have no row, which is told', () => {
    const warning = { code: 'end_ids', message: expect.stringContaining('models/x: eos_token_id 264, 999999 of generation_config.json') };
    expect(checkVocabulary(base, { ...ids(264), ends: [2, 264, 999999] })).toEqual([warning]);
    expect(checkVocabulary(base, { ...ids(265, 264), ends: [264] }).map(({ code }) => code)).toEqual(['added_ids', 'end_ids']);
  });

  it('is refused where pieces of its own have no row', () => {
    expect(() => checkVocabulary(base, ids(265))).toThrow(/265 ids.*264 rows/);
  });

  it('is refused for a row that holds such an id, with its file and line', () => {
    const row = { ids: [3, 264], file: 'rows.jsonl', line: 7 };
    expect(() => checkIds([{ ...row, ids: [3, 263] }], base, ids(265))).not.toThrow();
    expect(() => checkIds([row], base, ids(265))).toThrow(/rows\.jsonl:7.*"<264>", id 264/);
    expect(() => checkIds([{ ids: Int32Array.of(264) }], base, ids(265))).toThrow(/^the text holds/);
  });
});
