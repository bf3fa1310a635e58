import { afterAll, describe, expect, it } from 'vitest';
import { openTokenizer } from '../../lib/tokenizer/index.js';
import { byteLevel, CONFIG, ENGINES, fault, folderOf, openByteLevel, piecesOf, removeFolders, sentencePiece } from './fixtures.js';

afterAll(removeFolders);

/** Right values: AutoTokenizer of transformers 5.18 on such folders. */
describe('added tokens of the settings alone', () => {
  const flags = { lstrip: false, rstrip: false, single_word: false, normalized: false, special: true };
  const decoder = (id: number, content: string, more = {}) => ({
    ...CONFIG,
    added_tokens_decoder: { [id]: { content, ...flags, ...more } },
  });

  it.each(ENGINES)('are one id each (%s)', async (engine) => {
    const plain = await openByteLevel(engine);
    const next = plain.vocabularySize;
    const files = { 'tokenizer.json': await byteLevel() };
    const ids = async (more: object, text: string) => [
      ...(await (await openTokenizer(folderOf({ ...files, ...more }), { engine })).encode(text)),
    ];
    const around = async (text: string) => [...(await plain.encode(text))];
    const expected = [...(await around('a ')), next, ...(await around(' b'))];
    expect(await ids({ 'tokenizer_config.json': decoder(next, '<tag>') }, 'a <tag> b')).toEqual(expected);
    expect(await ids({ 'tokenizer_config.json': CONFIG, 'added_tokens.json': { '<tag>': next } }, 'a <tag> b')).toEqual(expected);
    expect(await ids({ 'tokenizer_config.json': { ...CONFIG, additional_special_tokens: ['<tag>'] } }, 'a <tag> b')).toEqual(expected);
    const stripping = decoder(next, '<tag>', { lstrip: true, rstrip: true });
    expect(await ids({ 'tokenizer_config.json': stripping }, 'a <tag> b')).toEqual([...(await around('a')), next, ...(await around('b'))]);
  });

  /** What transformers 5.24 makes of these settings beside a tokenizer.json of SmolLM2: its new tokens, in the order of their ids. */
  it.each<[string, object, object, string[]]>([
    ['a pad token', { pad_token: '<pad>' }, {}, ['<pad>']],
    [
      'one of every kind, whatever their order',
      { mask_token: '<mask>', cls_token: '<cls>', pad_token: '<pad>', sep_token: '<sep>', eos_token: '<eos>', bos_token: '<bos>' },
      {},
      ['<bos>', '<eos>', '<sep>', '<pad>', '<cls>', '<mask>'],
    ],
    ['two names of one token', { pad_token: '<pad>', mask_token: '<pad>' }, {}, ['<pad>']],
    [
      'special_tokens_map.json before the configuration',
      { pad_token: '<p1>' },
      { pad_token: '<p2>', additional_special_tokens: ['<m>'] },
      ['<p2>', '<m>'],
    ],
    [
      'names of a model and a list',
      { zeta_token: '<z>', image_token: '<image>', pad_token: '<pad>', additional_special_tokens: ['<x>'], extra_special_tokens: ['<e>'] },
      {},
      ['<pad>', '<z>', '<image>', '<e>'],
    ],
    [
      'names of a model in an object',
      { zeta_token: '<z>', extra_special_tokens: { image_token: '<image>' }, additional_special_tokens: ['<x>'] },
      {},
      ['<z>', '<image>', '<x>'],
    ],
    ['an empty text', { pad_token: '' }, {}, []],
  ])('get the next ids where they are named without one: %s', async (_, config, map, expected) => {
    const files = {
      'tokenizer.json': await byteLevel(),
      'special_tokens_map.json': map,
      'tokenizer_config.json': { ...CONFIG, ...config },
    };
    const { vocabularySize: next } = await openByteLevel('javascript');
    const tokenizer = await openTokenizer(folderOf(files), { engine: 'javascript' });
    expect(tokenizer.vocabularySize).toBe(next + expected.length);
    expect([...(await tokenizer.encode(expected.join('')))]).toEqual(expected.map((_one, n) => next + n));
  });

  it('of an older special_tokens_map.json do not count beside added_tokens_decoder', async () => {
    const { vocabularySize: next } = await openByteLevel('javascript');
    const config = decoder(next, '<tag>');
    const files = {
      'tokenizer.json': await byteLevel(),
      'special_tokens_map.json': { pad_token: '<pad>' },
      'tokenizer_config.json': config,
    };
    expect((await openTokenizer(folderOf(files))).vocabularySize).toBe(next + 1);
  });

  it('may want to stand as words, which the JavaScript library cannot do', async () => {
    const { vocabularySize: next } = await openByteLevel('javascript');
    const word = decoder(next, 'foo', { single_word: true, special: false });
    const files = { 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': word };
    const tokenizer = await openTokenizer(folderOf(files), { engine: 'native' });
    expect([...(await tokenizer.encode('foo food'))].filter((id) => id === next)).toHaveLength(1);
    expect(await fault(files, 'javascript')).toMatchObject({
      code: 'unsupported_tokenizer',
      message: expect.stringMatching(/"foo" has single_word/),
    });
  });

  it('decode, and may be the end token', async () => {
    const { vocabularySize: next } = await openByteLevel('javascript');
    const config = { ...decoder(next, '<eot>'), eos_token: '<eot>' };
    const tokenizer = await openTokenizer(folderOf({ 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': config }));
    expect(tokenizer).toMatchObject({ eos: next, vocabularySize: next + 1 });
    expect(tokenizer.decode([next])).toBe('<eot>');
    expect(tokenizer.decode([next], { skipSpecial: true })).toBe('');
  });

  it.each(ENGINES)('may fill a hole between those of tokenizer.json (%s)', async (engine) => {
    const { vocabularySize: next } = await openByteLevel('javascript');
    const whole = (await byteLevel()) as { added_tokens: object[] };
    const own = ['<a>', '<c>'].map((content, n) => ({ id: next + 2 * n, content, ...flags }));
    const holed = { ...whole, added_tokens: [...whole.added_tokens, ...own] };
    const folder = folderOf({ 'tokenizer.json': holed, 'tokenizer_config.json': decoder(next + 1, '<b>') });
    const tokenizer = await openTokenizer(folder, { engine });
    expect([...(await tokenizer.encode('<a><b><c>'))]).toEqual([next, next + 1, next + 2]);
  });

  it('with the id of another token, or a gap before it, are refused', async () => {
    const { vocabularySize: next } = await openByteLevel('javascript');
    for (const id of [5, next + 3])
      expect(await fault({ 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': decoder(id, '<tag>') })).toMatchObject({
        code: 'malformed_tokenizer',
        message: expect.stringMatching(/"<tag>" has the id \d+/),
      });
  });

  it('are found in every text of a tokenizer.model, with the white space that they take along', async () => {
    const pieces = piecesOf(['▁a', 'b']);
    const config = { ...decoder(pieces.length, '<tag>', { lstrip: true, special: false }), eos_token: '</s>' };
    const tokenizer = await openTokenizer(folderOf({ 'tokenizer.model': sentencePiece(pieces), 'tokenizer_config.json': config }));
    expect([...(await tokenizer.encode('a <tag>'))]).toEqual([...(await tokenizer.encode('a')), pieces.length]);
  });
});
