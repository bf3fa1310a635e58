/** Tokenizer files that are bent: opened, or refused with the file's name; nothing hangs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EngineName } from '../../lib/tokenizer/engine.js';
import { openTokenizer } from '../../lib/tokenizer/open.js';
import { trainTokenizer } from '../../lib/tokenizer/train.js';
import { scratchFolder } from '../support/tiny_model.js';
import { wordPieceJson } from '../support/tiny_tokenizer.js';
import { mutateBytes, mutateJson } from './mutate.js';
import type { Random } from './random.js';
import { inputs, PATIENCE, trial } from './trial.js';

const scratch = scratchFolder();
type Json = Record<string, unknown>;

const TEXTS = ['the cat sat on the mat. the dog ran over the hill', 'a b c d e f 1 2 3'];
const SETTINGS: Json = {
  tokenizer_class: 'PreTrainedTokenizerFast',
  bos_token: '<s>',
  eos_token: '</s>',
  model_max_length: 256,
  add_bos_token: true,
  chat_template: "{% for m in messages %}{{ m['content'] }}{% endfor %}",
};

const WORD_PIECE: Json = wordPieceJson(['[UNK]', 'the', 'cat', '##s', 'a', '<s>', '</s>'], ['[UNK]', '<s>', '</s>']);

const split = (Regex: string) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false });
const PARTS: readonly Json[] = [
  ...['(a+)+$', '(', '\\p{L}+', '(?i:x)', '(?<=a)b', '', '(\\w+\\s?)*$', '(a|a)*b'].map(split),
  { type: 'Sequence', pretokenizers: [], normalizers: [], decoders: [] },
  { type: 'Replace', pattern: { String: '' }, content: 'x' },
  { type: 'Replace', pattern: { Regex: '(a*)*$' }, content: 'aa' },
  { type: 'Prepend', prepend: '▁' },
  { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  { type: 'NFKC' },
  { type: 'ByteFallback' },
  { type: 'Precompiled', precompiled_charsmap: 'AAAA' },
  {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: 'x', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { x: { id: 'x', ids: [99999], tokens: ['x'] } },
  },
];
const KEYS = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'added_tokens', 'truncation', 'padding', 'model'] as const;

function bentModel(model: Json, r: Random): Json {
  const { vocab, merges, ...rest } = model;
  const now: Json = { ...mutateJson(rest, r), vocab: r.chance(0.3) ? mutateJson(vocab, r) : vocab };
  if (merges !== undefined) now.merges = r.chance(0.3) ? mutateJson(merges, r) : merges;
  return now;
}
function bentTokenizer(from: Json, r: Random): unknown {
  if (r.chance(0.5)) return mutateJson(from, r);
  const key = r.pick(KEYS);
  if (key === 'model') return { ...from, model: bentModel(from.model as Json, r) };
  return { ...from, [key]: r.chance(0.3) ? r.pick(PARTS) : mutateJson({ part: from[key] }, r)?.part };
}

async function use(folder: string, engine: 'auto' | EngineName): Promise<void> {
  const tokenizer = await openTokenizer(folder, { engine });
  const ids = await tokenizer.encode('the cat sat  on the mat 123 \u00e9\ud83d\ude00 aaaaaaaaaaaaaaaaaaaaaaaaaaaaab [UNK] <|endoftext|>');
  tokenizer.decode(Array.from(ids));
}

describe.each(['auto', 'javascript'] as const)('the files of a tokenizer, engine %s', (engine) => {
  it('are opened or refused when they are bent', { timeout: PATIENCE }, async () => {
    const tokenizer = (await trainTokenizer(TEXTS, { vocabularySize: 300, specialTokens: ['<s>', '</s>'] })) as unknown as Json;
    const folder = join(scratch, engine);
    mkdirSync(folder);
    for (const plain of [tokenizer, WORD_PIECE]) {
      writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(plain));
      writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(SETTINGS));
      await use(folder, engine); // what is bent was right
    }
    const count = inputs(100);
    const { accepted, refused } = await trial(`tokenizer-${engine}`, count, (r) => {
      const bent = JSON.stringify(bentTokenizer(r.chance(0.25) ? WORD_PIECE : tokenizer, r)) ?? '';
      writeFileSync(join(folder, 'tokenizer.json'), r.chance(0.15) ? mutateBytes(Buffer.from(bent), r) : bent);
      writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(r.chance(0.3) ? mutateJson(SETTINGS, r) : SETTINGS) ?? '');
      return () => use(folder, engine);
    });
    if (count < 100) return;
    expect(accepted).toBeGreaterThan(0);
    expect(Object.keys(refused).length).toBeGreaterThan(0);
  });
});
