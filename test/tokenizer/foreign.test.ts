/** Tokenizer files that once hung or ended the process: counts beyond the file, patterns that go back without end, rules that panic. */
import { afterAll, describe, expect, it, vi } from 'vitest';
import { openTokenizer } from '../../lib/tokenizer/index.js';
import { isPlainPattern, notPlain } from '../../lib/tokenizer/plain.js';
import { byteLevel, CONFIG, ENGINES, folderOf, removeFolders } from './fixtures.js';

type Limited = typeof import('../../lib/tokenizer/limited.js');
/** The limit itself is tested, not how long it is. */
vi.mock('../../lib/tokenizer/limited.js', async (original) => {
  const real = await original<Limited>();
  const limited: Limited['limited'] = (call, characters, file) => real.limited(call, characters, file, 1);
  return { ...real, limited };
});

afterAll(removeFolders);

type Model = { vocab: Record<string, number>; merges: [string, string][] };
const split = (Regex: string) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false });
const openWith = async (changes: object, engine: 'native' | 'javascript', config: object = CONFIG, more: object = {}) =>
  openTokenizer(folderOf({ 'tokenizer.json': await byteLevel(changes), 'tokenizer_config.json': config, ...more }), { engine });

describe.each(ENGINES)('engine %s', (engine) => {
  it('refuses an id far beyond the number of pieces, wherever it stands', async () => {
    const { model } = (await byteLevel()) as { model: Model };
    const vocab = { ...model.vocab, far: 1_048_361_157 };
    await expect(openWith({ model: { ...model, vocab } }, engine)).rejects.toMatchObject({
      code: 'malformed_tokenizer',
      message: expect.stringMatching(/the piece "far" has the id 1048361157; expected a whole number below \d+ for \d+ pieces/),
    });
    const token = { content: 'far', special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
    const added_tokens = [{ ...token, id: 1e9 }];
    await expect(openWith({ added_tokens }, engine)).rejects.toMatchObject({ code: 'malformed_tokenizer' });
    const config = { ...CONFIG, added_tokens_decoder: { 1e9: token } };
    await expect(openWith({}, engine, config)).rejects.toMatchObject({ code: 'malformed_tokenizer' });
    await expect(openWith({}, engine, CONFIG, { 'added_tokens.json': { far: 1e9 } })).rejects.toMatchObject({
      code: 'malformed_tokenizer',
    });
  });

  it.each([
    ['an id that is no whole number', { model: { type: 'BPE', vocab: { a: 0.5 }, merges: [] } }, /id of "a", found 0.5/],
    ['a component without a type', { pre_tokenizer: [1] }, /pre_tokenizer: expected null or an object with a type/],
    ['a member that is no component', { decoder: { type: 'Sequence', decoders: [3] } }, /decoder.decoders: expected an object with a type/],
    ['members that are no list', { normalizer: { type: 'Sequence', normalizers: 'NFC' } }, /normalizer.normalizers: expected a list/],
    ['added tokens that are no list', { added_tokens: { a: 1 } }, /added_tokens: expected a list/],
    ['merges that are none', { model: { type: 'BPE', vocab: { a: 0 }, merges: [['a', 1]] } }, /model.merges: expected a list of pairs/],
  ])('refuses %s', async (_, changes, message) => {
    await expect(openWith(changes, engine)).rejects.toMatchObject({ code: 'malformed_tokenizer', message: expect.stringMatching(message) });
  });

  it('refuses rules that make a thousand thousands of characters of one', async () => {
    const one = { type: 'Replace', pattern: { String: 'a' }, content: 'a'.repeat(100) };
    const normalizer = { type: 'Sequence', normalizers: [one, one, one] };
    await expect(openWith({ normalizer }, engine)).rejects.toMatchObject({ message: expect.stringContaining('1000000 characters of one') });
  });

  it.each(['(a+)+$', '(?:a|aa)+$', '(\\w+\\s?)*$'])('ends a split by %s', async (pattern) => {
    const { pre_tokenizer } = (await byteLevel()) as { pre_tokenizer: object };
    const pretokenizers = [split(pattern), pre_tokenizer];
    const tokenizer = await openWith({ pre_tokenizer: { type: 'Sequence', pretokenizers } }, engine);
    await expect(tokenizer.encode(`${'a'.repeat(80)}!`)).rejects.toMatchObject({
      code: expect.stringMatching(/^(malformed|unsupported)_tokenizer$/),
      file: expect.stringContaining('tokenizer.json'),
    });
  });
});

describe('the settings beside', () => {
  it.each([
    ['chat_template', 5],
    ['chat_template', [{ name: 'default' }]],
    ['eos_token', 7],
    ['added_tokens_decoder', { x: 'a' }],
    ['added_tokens_decoder', { 1: { content: 3 } }],
    ['additional_special_tokens', [1]],
  ])('are refused by the key %s that is %j', async (key, value) => {
    await expect(openWith({}, 'native', { ...CONFIG, [key]: value })).rejects.toMatchObject({
      code: 'malformed_tokenizer',
      message: expect.stringContaining(`${key}: expected`),
      file: expect.stringContaining('tokenizer_config.json'),
    });
  });
});

describe('the native library', () => {
  const template = { type: 'TemplateProcessing', single: [{ SpecialToken: { id: 'x', type_id: 0 } }], pair: [], special_tokens: {} };
  it.each([
    ['a length of zero', { pre_tokenizer: { type: 'FixedLength', length: 0 } }],
    ['a template with a token that is none', { post_processor: template }],
    ['an empty pattern', { normalizer: { type: 'Replace', pattern: { String: '' }, content: 'x' } }],
    ['a table of characters that is none', { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } }],
  ])('does not end this process over %s', async (_, changes) => {
    const opened = openWith(changes, 'native').then((tokenizer) => tokenizer.encode('the cat'));
    await expect(opened).rejects.toMatchObject({ code: 'malformed_tokenizer' });
  });

  it('gives the same ids and places in a process of its own', async () => {
    const { pre_tokenizer } = (await byteLevel()) as { pre_tokenizer: object };
    const apart = await openWith({ pre_tokenizer: { type: 'Sequence', pretokenizers: [split('(?:zz)+'), pre_tokenizer] } }, 'native');
    const here = await openWith({}, 'native');
    expect(apart.engine.reason).toContain('in a process of its own, for the settings of pre_tokenizer Split');
    const texts = ['The cell divides again.', '', ' naïve 世界'];
    expect(await apart.encodeMany(texts)).toEqual(await here.encodeMany(texts));
    const both = await Promise.all(texts.map((text) => apart.encode(text)));
    expect(both).toEqual(await here.encodeMany(texts));
  });

  it('opens here what the common tokenizers are', async () => {
    const english = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    const rest = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
    const o200k = `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{M}]*[\\p{Ll}\\p{M}]+${english}?|\\p{N}{1,3}|${rest}`;
    for (const pattern of [`${english}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${rest}`, o200k, '\u2581+[^\u2581]*'])
      expect(isPlainPattern(pattern), pattern).toBe(true);
    expect(notPlain((await byteLevel()) as never)).toBeUndefined();
  });

  it.each(['(a+)+$', 'a*a*a*b', '(a|a)*b', '(a*|b)(a*|c)(a*|d)x', '((a+)?)*', 'a*?a*?b', '(a+)\\1', '', '(?=a+)a+a+$', '(?i:(a+)+)'])(
    'opens elsewhere the pattern %s',
    (pattern) => {
      expect(isPlainPattern(pattern)).toBe(false);
    },
  );
});
