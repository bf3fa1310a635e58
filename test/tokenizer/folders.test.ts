import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openTokenizer } from '../../lib/tokenizer/index.js';
import { byteLevel, CONFIG, ENGINES, fault, folderOf, openByteLevel, piecesOf, removeFolders, sentencePiece } from './fixtures.js';

afterAll(removeFolders);

describe('a folder', () => {
  it('without a tokenizer is an error that names what is expected', async () => {
    const { code, kind, message } = await fault({ 'config.json': {} });
    expect({ code, kind }).toEqual({ code: 'missing_tokenizer', kind: 'data' });
    expect(message).toMatch(/tokenizer\.json, tokenizer\.model, vocab\.json with merges\.txt, or vocab\.txt/);
  });

  it('that is not there is the same error', async () => {
    await expect(openTokenizer('/nowhere/at/all')).rejects.toMatchObject({ code: 'missing_tokenizer' });
  });

  it('is read from tokenizer.json, if it has a tokenizer.model as well', async () => {
    const tokenizer = await openTokenizer(
      folderOf({ 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': CONFIG, 'tokenizer.model': new Uint8Array([255]) }),
    );
    expect(tokenizer.vocabularySize).toBeGreaterThan(256);
  });

  it.each(ENGINES)('with GPT-2 files gives the same ids as its tokenizer.json (%s)', async (engine) => {
    const json = (await byteLevel()) as { model: { vocab: Record<string, number>; merges: [string, string][] } };
    const folder = folderOf({
      'vocab.json': json.model.vocab,
      'merges.txt': `#version: 0.2\n${json.model.merges.map((pair) => pair.join(' ')).join('\n')}\n`,
      'special_tokens_map.json': CONFIG,
    });
    const [files, whole] = [await openTokenizer(folder, { engine }), await openByteLevel(engine)];
    const text = 'The cell divides, 世界 😀<|end|>\n';
    expect(await files.encode(text)).toEqual(await whole.encode(text));
    expect(files).toMatchObject({ eos: 0, bos: null });
  });
});

describe('a tokenizer.json that is wrong', () => {
  const cases: [string, () => Promise<string | object> | string | object, string, RegExp][] = [
    ['cut off', () => '{"model": {', 'malformed_tokenizer', /expected JSON/],
    ['empty', () => '', 'malformed_tokenizer', /expected JSON/],
    ['a list', () => '[]', 'malformed_tokenizer', /JSON object/],
    ['something else', () => ({ weights: [] }), 'malformed_tokenizer', /model\.vocab/],
    ['without a vocabulary', () => ({ model: { type: 'BPE' } }), 'malformed_tokenizer', /model\.vocab/],
    ['of words', () => ({ model: { type: 'WordLevel', vocab: { a: 0 } } }), 'unsupported_tokenizer', /WordPiece, found WordLevel/],
    ['with an unknown decoder', () => byteLevel({ decoder: { type: 'CTC' }, pre_tokenizer: null }), 'unsupported_tokenizer', /ByteLevel/],
    [
      'with an unknown pre-tokenizer',
      () => byteLevel({ pre_tokenizer: { type: 'Nonsense' } }),
      'malformed_tokenizer',
      /cannot|can be read/,
    ],
  ];
  it.each(cases)('%s', async (_, content, code, message) => {
    for (const engine of ENGINES) {
      const error = await fault({ 'tokenizer.json': await content(), 'tokenizer_config.json': CONFIG }, engine);
      expect(error).toMatchObject({ code, kind: 'data', file: 'tokenizer.json' });
      expect(error.message).toMatch(message);
      expect(error.message).toContain('tokenizer.json');
    }
  });

  it('has no end token', async () => {
    const json = await byteLevel();
    expect(await fault({ 'tokenizer.json': json })).toMatchObject({
      code: 'missing_eos',
      message: expect.stringContaining('tokenizer_config.json'),
    });
  });

  it('has a settings file beside it that is no JSON', async () => {
    const error = await fault({ 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': '{' });
    expect(error).toMatchObject({ code: 'malformed_tokenizer', file: 'tokenizer_config.json' });
  });
});

describe('a tokenizer.model that is wrong', () => {
  const whole = sentencePiece(piecesOf(['ab']));
  const cases: [string, Uint8Array, string, RegExp][] = [
    ['cut inside its first piece', Buffer.from('\n\x0e\n\x05<unk>\x15\0\0'), 'malformed_tokenizer', /cut off/],
    ['cut somewhere', whole.subarray(0, 777), 'malformed_tokenizer', /cut off/],
    ['cut between pieces and settings', Uint8Array.from(whole.subarray(0, whole.length - 28)), 'malformed_tokenizer', /cut off/],
    ['empty', new Uint8Array(0), 'malformed_tokenizer', /no pieces/],
    ['something else', Buffer.from('GGUF and so on'), 'malformed_tokenizer', /something else|no pieces/],
    ['a unigram model', sentencePiece(piecesOf(['ab']), { type: 1 }), 'unsupported_tokenizer', /BPE model, found unigram/],
    ['a model that removes spaces', sentencePiece(piecesOf(['ab']), { removes: true }), 'unsupported_tokenizer', /keeps spaces/],
    ['a model with unused pieces', sentencePiece(piecesOf(['ab'], [{ text: 'q', type: 5 }])), 'unsupported_tokenizer', /unused/],
    ['a model without end piece', sentencePiece([{ text: '<unk>', type: 2 }, { text: 'a' }]), 'missing_eos', /<\/s>/],
  ];
  it.each(cases)('%s', async (_, bytes, code, message) => {
    const error = await fault({ 'tokenizer.model': bytes });
    expect(error).toMatchObject({ code, kind: 'data', file: 'tokenizer.model' });
    expect(error.message).toMatch(message);
  });
});

describe('GPT-2 files of another tokenizer', () => {
  it('are refused, as they do not say how text is split', async () => {
    const error = await fault({ 'vocab.json': { a: 0 }, 'merges.txt': '', 'tokenizer_config.json': { tokenizer_class: 'Qwen2Tokenizer' } });
    expect(error).toMatchObject({ code: 'unsupported_tokenizer', message: expect.stringContaining('tokenizer.json') });
  });
});

describe('settings', () => {
  const settings = async (files: Record<string, object | string>) =>
    openTokenizer(folderOf({ 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': CONFIG, ...files }));

  it('take special tokens as texts or objects, an older map before the configuration', async () => {
    const tokenizer = await settings({
      'tokenizer_config.json': { ...CONFIG, bos_token: { content: '<|user|>' }, pad_token: null },
      'special_tokens_map.json': { eos_token: '<|user|>', unk_token: '<|assistant|>' },
    });
    expect(tokenizer.specialTokens).toEqual({ eos_token: '<|user|>', bos_token: '<|user|>', unk_token: '<|assistant|>' });
  });

  it('take end ids from generation_config.json, else config.json, else the EOS', async () => {
    expect((await settings({})).ends).toEqual([0]);
    expect((await settings({ 'config.json': { eos_token_id: 7 } })).ends).toEqual([7]);
    expect((await settings({ 'config.json': { eos_token_id: 7 }, 'generation_config.json': { eos_token_id: [1, 2] } })).ends).toEqual([
      1, 2,
    ]);
  });

  it.each([-1, 1.5, '2', [2, 'x'], { id: 2 }])('refuse the end id %j, by file and key', async (id) => {
    const files = { 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': CONFIG, 'generation_config.json': { eos_token_id: id } };
    expect(await fault(files)).toMatchObject({
      code: 'malformed_tokenizer',
      file: 'generation_config.json',
      message: expect.stringContaining('eos_token_id: expected a whole number from 0 on'),
    });
  });

  it('take the chat template from chat_template.jinja, else the configuration', async () => {
    const named = [
      { name: 'default', template: 'plain' },
      { name: 'tool_use', template: 'tools' },
    ];
    expect((await settings({})).chatTemplate()).toBeNull();
    const tokenizer = await settings({ 'tokenizer_config.json': { ...CONFIG, chat_template: named } });
    expect([tokenizer.chatTemplate(), tokenizer.chatTemplate(true)]).toEqual(['plain', 'tools']);
    const file = await settings({ 'tokenizer_config.json': { ...CONFIG, chat_template: 'old' }, 'chat_template.jinja': 'new' });
    expect([file.chatTemplate(), file.chatTemplate(true)]).toEqual(['new', 'new']);
  });
});

describe('the begin id', () => {
  const single = [{ SpecialToken: { id: '<|user|>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }];
  const post_processor = {
    type: 'TemplateProcessing',
    single,
    pair: single,
    special_tokens: { '<|user|>': { id: '<|user|>', ids: [1], tokens: ['<|user|>'] } },
  };
  it.each(ENGINES)('is what the post-processor adds (%s)', async (engine) => {
    const tokenizer = await openByteLevel(engine, { post_processor });
    expect(tokenizer.bos).toBe(1);
    expect([...(await tokenizer.encode('a'))]).not.toContain(1);
    expect((await openByteLevel(engine)).bos).toBeNull();
  });
});

describe('the engine', () => {
  it('is told with its reason', async () => {
    expect((await openByteLevel('javascript')).engine).toEqual({ name: 'javascript', reason: 'asked for' });
    const folder = folderOf({ 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': CONFIG });
    expect((await openTokenizer(folder)).engine).toEqual({ name: 'native', reason: 'the package tokenizers is installed' });
  });

  it.each(ENGINES)('cuts and pads nothing, whatever the file says (%s)', async (engine) => {
    const tokenizer = await openByteLevel(engine, {
      truncation: { direction: 'Right', max_length: 3, strategy: 'LongestFirst', stride: 0 },
      padding: { strategy: { Fixed: 9 }, direction: 'Right', pad_to_multiple_of: null, pad_id: 0, pad_type_id: 0, pad_token: '<|end|>' },
    });
    const text = 'The cell divides again.';
    expect(tokenizer.decode(await tokenizer.encode(text))).toBe(text);
    expect([...(await tokenizer.encode('a'))]).toHaveLength(1);
  });

  it.each([
    ['digits one by one', { type: 'Digits', individual_digits: true }],
    ['runs of digits', { type: 'Digits', individual_digits: false }],
  ])('splits %s alike in both libraries, whatever Unicode calls a number', async (_, digits) => {
    const words = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
    const changes = { pre_tokenizer: { type: 'Sequence', pretokenizers: [digits, words] } };
    const [native, javascript] = await Promise.all(ENGINES.map((engine) => openByteLevel(engine, changes)));
    for (const text of ['1999', 'Ⅷ ½ ⑩ ٣٤', 'a1b22c 333', '4444 ⑩⑩'])
      expect(await javascript!.encode(text), text).toEqual(await native!.encode(text));
  });
});

describe('chat templates of a folder', () => {
  it('are read by name from additional_chat_templates, the plain one from its file', async () => {
    const folder = folderOf({ 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': CONFIG, 'chat_template.jinja': 'plain' });
    mkdirSync(join(folder, 'additional_chat_templates'));
    writeFileSync(join(folder, 'additional_chat_templates/tool_use.jinja'), 'with tools');
    const tokenizer = await openTokenizer(folder);
    expect([tokenizer.chatTemplate(), tokenizer.chatTemplate(true)]).toEqual(['plain', 'with tools']);
  });

  it('may stand in a list', async () => {
    const templates = [
      { name: 'tool_use', template: 'with tools' },
      { name: 'default', template: 'plain' },
    ];
    const tokenizer = await openTokenizer(
      folderOf({ 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': { ...CONFIG, chat_template: templates } }),
    );
    expect([tokenizer.chatTemplate(), tokenizer.chatTemplate(true)]).toEqual(['plain', 'with tools']);
  });
});
