import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRecipe, readRecipe, recipeJsonSchema, recipeKeys } from '../../lib/recipe/index.js';
import { failure, file, LEAST, room } from './room.js';

const refused = (text: string, set: string[] = []) => failure(() => readRecipe(file(text), { set }));

describe('messages', () => {
  const cases: [name: string, text: string, place: string, words: string[]][] = [
    [
      'unknown key with a near one',
      `${LEAST}train:\n  learning_rate: 1e-3\n`,
      ':5:3: ',
      ['train.learning_rate is not a key of train', 'did you mean learningRate?'],
    ],
    ['unknown key at the top', `${LEAST}adaptor: {rank: 2}\n`, ':4:1: ', ['adaptor', 'did you mean adapter?']],
    ['a key of another group', `${LEAST}learningRate: 1\n`, ':4:1: ', ['did you mean train.learningRate?']],
    ['unknown key with none near', `${LEAST}compute: {zzzzzzzzzzz: 1}\n`, ':4:11: ', ['known are device, dtype, threads']],
    ['wrong type', `${LEAST}train: {steps: many}\n`, ':4:16: ', ['train.steps must be a whole number of at least 1, not "many"']],
    ['below the range', `${LEAST}train:\n  steps: -1\n`, ':5:10: ', ['train.steps', '-1']],
    ['zero rank', `${LEAST}adapter: {rank: 0}\n`, ':4:17: ', ['adapter.rank must be a whole number of at least 1 and at most 4096, not 0']],
    ['a fraction of a step', `${LEAST}train: {steps: 1.5}\n`, ':4:16: ', ['not 1.5']],
    ['unknown target', `${LEAST}adapter: {targets: [q_porj]}\n`, ':4:21: ', ['q_porj', 'did you mean q_proj?']],
    ['targets of a wrong type', `${LEAST}adapter: {targets: 7}\n`, ':4:20: ', ['all-linear or a list of at least 1, not 7']],
    ['tokens and rows', `${LEAST}train:\n  tokensPerStep: 512\n  rowsPerStep: 4\n`, ':6:16: ', ['tokensPerStep', 'rowsPerStep', 'exclude']],
    ['steps and epochs', `${LEAST}train: {steps: 5, epochs: 4}\n`, ':4:27: ', ['exclude']],
    ['unknown method', 'model: m\nmethod: pretrian\ndata: x\n', ':2:9: ', ['pretrian', 'did you mean pretrain?']],
    ['unknown method by name', 'model: m\nmethod: {name: stf}\ndata: x\n', ':2:16: ', ['method.name', '"stf"', 'sft']],
    [
      'unknown option of a method',
      'model: m\nmethod: {name: sft, labelSmothing: 1}\ndata: x\n',
      ':2:21: ',
      ['did you mean labelSmoothing?'],
    ],
    ['a method that lacks its own key', 'model: m\nmethod: {name: distill, topK: 2}\ndata: x\n', ':2:9: ', ['method.teacher']],
    ['stages that are none', 'model: m\nstages: []\n', ':2:9: ', ['stages must be a list of at least one stage']],
    ['no model', 'method: sft\ndata: [{path: x.jsonl}]\n', ':1:1: ', ['model is missing']],
    ['no data', 'model: m\nmethod: sft\n', ':1:1: ', ['data is missing']],
    ['unknown key of a source', `model: m\nmethod: sft\ndata: [{pth: x}]\n`, '', ['data.0.pth', 'did you mean path?']],
    ['data of a wrong type', 'model: m\nmethod: sft\ndata: 5\n', ':3:7: ', ['data must be a text or a list of at least 1, not 5']],
    ['an empty list of data', 'model: m\nmethod: sft\ndata: []\n', ':3:7: ', ['a list of at least 1, not an empty list']],
    ['a template with a number', `${LEAST}template: {prompt: 5, completion: x}\n`, ':4:20: ', ['template.prompt must be a text, not 5']],
    [
      'a template that is a number',
      `${LEAST}template: 7\n`,
      ':4:11: ',
      ['auto, chat, plain, dolly, alpaca, { prompt, completion }, { text }, { prompt, chosen, rejected } or { prompt }, not 7'],
    ],
    ['unknown template', `${LEAST}template: doly\n`, ':4:11: ', ['did you mean dolly?']],
    [
      'a word of an enum',
      `${LEAST}train: {schedule: cosin}\n`,
      ':4:19: ',
      ['one of linear, cosine, constant, wsd, not "cosin"; did you mean cosine?'],
    ],
    ['dtype', `${LEAST}compute: {dtype: f63}\n`, ':4:18: ', ['compute.dtype', 'bf16, f32', '"f63"; did you mean f32?']],
    ['device', `${LEAST}compute: {device: gpu}\n`, ':4:19: ', ['auto or cpu']],
    ['held-out rows twice', `${LEAST}evaluate: {fraction: 0.1, data: y}\n`, ':4:33: ', ['exclude']],
    ['held-out rows not at all', `${LEAST}evaluate: {every: 3}\n`, ':4:11: ', ['evaluate needs fraction']],
    ['early stopping without evaluation', `${LEAST}train: {earlyStopping: {patience: 2}}\n`, ':4:24: ', ['needs evaluate']],
    ['rank beside from', `${LEAST}adapter: {from: a, rank: 2}\n`, ':4:26: ', ['adapter.rank is brought by']],
    ['warm-up of one and a half steps', `${LEAST}train: {warmup: 1.5}\n`, ':4:17: ', ['train.warmup']],
    ['malformed', 'model: [unclosed\nmethod: sft\n', ':2:1: ', ['not valid YAML']],
    ['a key twice', `${LEAST}model: n\n`, ':4:1: ', ['not valid YAML', 'unique']],
    ['a list', '- a\n', ':1:1: ', ['a recipe must be keys and values']],
    ['nothing', '', ':1:1: ', ['a recipe must be keys and values']],
    [
      'JSON',
      '{\n "model": "m",\n "method": "sft",\n "data": "x",\n "train": {\n  "learning_rate": 1\n }\n}\n',
      ':6:3: ',
      ['did you mean learningRate?'],
    ],
  ];
  it.each(cases)('%s', (_name, text, place, words) => {
    const error = refused(text);
    expect(error.message).toContain(`.yaml${place}`);
    for (const word of words) expect(error.message).toContain(word);
    expect(error.message.length).toBeLessThan(2000);
    expect(error.file).toMatch(/\.yaml$/);
    expect(error.line).toBeGreaterThan(0);
  });

  it('reports several faults, a line each, the first one as the place', () => {
    const error = refused(`${LEAST}train: {steps: -1, shuffel: true}\nout: 5\n`);
    expect(error.message.split('\n')).toHaveLength(3);
    expect(error.line).toBe(4);
  });

  it('names a recipe that is not there, a folder, and one that is no text', () => {
    expect(failure(() => readRecipe('no-such-recipe.yaml')).message).toContain('no-such-recipe.yaml');
    expect(failure(() => readRecipe(room)).message).toContain('folder');
    writeFileSync(join(room, 'bytes.yaml'), Buffer.from([0x6d, 0xff, 0xfe]));
    expect(failure(() => readRecipe(join(room, 'bytes.yaml'))).message).toContain('UTF-8');
  });

  it('says the same of an object, without a place', () => {
    const error = failure(() => parseRecipe({ model: 'm', method: 'sft', data: 'x', train: { learning_rate: 1 } }));
    expect(error.message).toContain('did you mean learningRate?');
    expect(error.file).toBeUndefined();
  });
});

describe('--set', () => {
  it('changes, adds and removes before the recipe is checked', () => {
    const set = ['train.steps=3', 'adapter.targets=[q_proj, v_proj]', 'method.labelSmoothing=0.1', 'data.0.path=y.jsonl', 'evaluate=null'];
    const { recipe } = readRecipe(file('model: m\nmethod: sft\ndata: [{path: x.jsonl}]\nevaluate: {fraction: 0.1}\n'), { set });
    expect(recipe.train).toMatchObject({ steps: 3 });
    expect(recipe.adapter).toMatchObject({ targets: ['q_proj', 'v_proj'] });
    expect(recipe.method).toEqual({ name: 'sft', labelSmoothing: 0.1, zLoss: 0 });
    expect(recipe.data).toEqual([{ path: join(room, 'y.jsonl'), weight: 1 }]);
    expect(recipe.evaluate).toBeNull();
  });

  it.each([
    ['train.stepz=3', 'did you mean steps?'],
    ['train.steps=many', 'must be a whole number'],
    ['train', 'expected key=value'],
    ['train..x=1', 'dotted key'],
    ['model.x=1', 'has no keys'],
    ['__proto__.x=1', '__proto__'],
    ['train.steps=[1', '--set train.steps=[1'],
  ])('%s is refused with the setting named', (setting, word) => {
    const error = refused(LEAST, [setting]);
    expect(error.message).toContain(`--set ${setting}`);
    expect(error.message).toContain(word);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe('what is derived from the schema', () => {
  it('JSON Schema describes every key', () => {
    const schema = recipeJsonSchema() as { properties: Record<string, { items?: object }>; anyOf: object[] };
    expect(schema.anyOf).toEqual([{ required: ['model', 'method', 'data'] }, { required: ['stages'] }]);
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['stages', 'method']));
    expect(schema.properties.stages?.items).toMatchObject({ properties: { method: {}, train: {} }, additionalProperties: false });
    expect(JSON.stringify(schema)).not.toContain('"expected"');
    expect(Object.keys(schema.properties)).toContain('train');
  });

  it('lists every key for --help, each with a description', () => {
    const keys = recipeKeys();
    expect(keys.map((one) => one.key)).toEqual(
      expect.arrayContaining(['train.learningRate', 'adapter.rank', 'compute.dtype', 'train.earlyStopping.patience', 'evaluate.every']),
    );
    for (const one of keys) expect(one.description, one.key).not.toBe('');
    expect(keys.find((one) => one.key === 'train.steps')?.expected).toBe('a whole number of at least 1');
  });
});
