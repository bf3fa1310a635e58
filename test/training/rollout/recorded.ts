/** A step of a method with rollouts on recorded answers, with the real network, and all that comes out of each of its updates. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { vi } from 'vitest';
import type { Tokens } from '../../../lib/data/index.js';
import type { LossOutput, Numbers, Prepared, RolloutOptions, SequenceInput } from '../../../lib/methods/index.js';
import { forwardAll } from '../../../lib/model/passes.js';
import type { NativeModel, NativeRollout } from '../../../lib/native.js';
import { parseRecipe, type RecipeInput } from '../../../lib/recipe/index.js';
import { answerSequences } from '../../../lib/training/rollout/answer_sequences.js';
import { type RolloutSetting, takeRolloutStep } from '../../../lib/training/rollout/step.js';
import { type AnyMethod, methodOf } from '../../methods/step.js';
import { adapterOf, FIXTURES, family, load, sum, tensors } from '../../transformer/fixtures.js';

/** What test/reference/rollout_update.py wrote. Symbols: N tokens of all answers, M of the answers of an update. */
interface Recorded {
  base: string;
  prompts: number[][];
  answers: { prompt: number; ids: number[]; reward: number; stopped: number }[];
  /** (hidden) */
  head: number[];
  cases: Record<string, Case>;
}
export interface Case {
  method: { name: 'ppo' | 'grpo' | 'rloo'; value?: 'adapter'; beta?: number };
  learningRate: number;
  /** (N) */
  advantage: number[];
  updates: { loss: number; gradientNorm: number; ratio: number[]; logprob: number[]; value?: number[] }[];
}
export const recorded = JSON.parse(readFileSync(resolve(FIXTURES, 'rollout_update/expected.json'), 'utf8')) as Recorded;

export interface Update {
  loss: number;
  /** (M) π(y_t) / π_old(y_t). */
  ratio: number[];
  /** Of every trained tensor, before clipping. */
  gradient: Map<string, Float32Array>;
  /** (N) after the update. */
  logprob: Numbers;
  value: Numbers | undefined;
}

const VALUE = 'value';
const prompts = recorded.prompts.map((ids, line) => {
  const unit = { kind: 'prompt', number: line, rows: 1, ranks: [], margin: 0, prompt: '', columns: {} };
  return {
    ids: Int32Array.from(ids),
    trained: new Uint8Array(ids.length),
    trainedTokens: 0,
    file: 'prompts',
    line,
    unit,
  } as unknown as Tokens;
});
const answers = recorded.answers.map(({ prompt, ids, stopped }) => {
  const [text, stop] = ['', stopped ? 'eos' : 'length'];
  return { prompt, ids: Int32Array.from(ids), text, stop, stopped: stopped === 1 };
});
const peft = (name: string, scale: number) => adapterOf(tensors(resolve(FIXTURES, 'peft', name, 'adapter_model.safetensors')), scale);

/** A model with the recorded policy, which gives the recorded answers, and a value head where the method wants one. */
async function policyOf({ name, value }: Case['method'], shares: boolean): Promise<NativeModel> {
  const native = await load(recorded.base, family(recorded.base).network, { train: 'adapter', threads: 2 });
  native.sharesBeginnings = shares;
  await native.setAdapter(peft('plain', 2));
  if (value === 'adapter') await native.setAdapter({ ...peft('partial', 1), name: VALUE, train: true });
  if (name === 'ppo') await native.setHead(Float32Array.from(recorded.head), value && VALUE);
  const rollout = { length: answers.length, advance: async () => false, answer: (n: number) => answers[n], dispose: () => undefined };
  return Object.defineProperty(native, 'startRollout', { value: () => rollout as unknown as NativeRollout });
}

function settingOf(native: NativeModel, { method }: Case, microBatchTokens: number): RolloutSetting {
  // grpo holds to a reference only where its beta is above 0.
  const reference = method.name === 'grpo' && !method.beta ? {} : { reference: 'base' };
  const own = { ...method, rewards: [{ function: 'recorded.mjs#rewards' }], samplesPerPrompt: 2, ...reference };
  const input = { model: 'recorded', data: 'recorded.jsonl', method: own, train: { weightDecay: 0, clip: 1, seed: 1 } };
  const tokenizer = { ends: [2], eos: 2, stream: () => ({ push: () => '', end: () => '' }) };
  const judges = { rewards: async () => Float64Array.from(recorded.answers, ({ reward }) => reward) };
  return {
    native,
    recipe: parseRecipe(input as unknown as RecipeInput).recipe,
    microBatchTokens,
    dropout: 0,
    valueSet: method.value && VALUE,
    sequences: prompts,
    tokenizer: tokenizer as unknown as RolloutSetting['tokenizer'],
    judges: judges as unknown as RolloutSetting['judges'],
    reference: { native, adapter: false },
  };
}

/** Calls `look` after each update of the weights, with the gradient that it took. */
function afterUpdates({ native, valueSet }: RolloutSetting, look: (gradient: Update['gradient']) => Promise<void>): void {
  const step = native.step.bind(native);
  let gradient: Update['gradient'] = new Map();
  const looking: typeof step = async (options, set) => {
    const prefix = set === undefined ? '' : `${set}.`;
    for (const { name } of native.parameters(set)) gradient.set(prefix + name, await native.read(name, 'gradient', set));
    await step(options, set);
    if (set !== valueSet) return;
    await look(gradient);
    gradient = new Map();
  };
  Object.defineProperty(native, 'step', { value: looking });
}

/** (N) what the policy says of all answers now, and what it expects. */
async function figuresNow({ native, valueSet, recipe }: RolloutSetting): Promise<Pick<Update, 'logprob' | 'value'>> {
  const { name, temperature } = recipe.method as RolloutOptions;
  const sequences = answerSequences(prompts, answers, 0);
  const { logprob } = await forwardAll(native, sequences, 1000, () => ({ temperature }));
  if (name !== 'ppo') return { logprob, value: undefined };
  return {
    logprob,
    value: (await forwardAll(native, sequences, 1000, () => ({ outputs: ['value'], valueAlone: true, adapter: valueSet }))).value,
  };
}

/** What the method's loss was given and gave since the last look. */
function lossAndRatio(loss: { mock: { calls: unknown[][]; results: { value: unknown }[] } }): Pick<Update, 'loss' | 'ratio'> {
  const inputs = loss.mock.calls.map(([input]) => input as SequenceInput);
  const ratio = inputs.flatMap(({ logprob, old = logprob }) => Array.from(logprob, (now, t) => Math.exp(now - (old[t] as number))));
  return { loss: sum(loss.mock.results.map(({ value }) => (value as LossOutput).lossSum)) / (inputs[0] as SequenceInput).divisor, ratio };
}

/** Takes the step of a case. Restore all mocks afterwards. */
export async function takeRecorded(one: Case, microBatchTokens: number, shares: boolean) {
  const native = await policyOf(one.method, shares);
  const setting = settingOf(native, one, microBatchTokens);
  const method = methodOf(one.method.name) as Required<AnyMethod>;
  const [prepare, loss] = [vi.spyOn(method, 'prepare'), vi.spyOn(method, 'loss')];
  const updates: Update[] = [];
  afterUpdates(setting, async (gradient) => {
    updates.push({ ...lossAndRatio(loss), gradient, ...(await figuresNow(setting)) });
    loss.mockClear();
  });
  const { event } = await takeRolloutStep(setting, 1, Int32Array.from(prompts.keys()), one.learningRate, { updates: 0, method: {} });
  native.dispose();
  const { columns } = prepare.mock.results[0]!.value as Prepared;
  return { event, updates, advantage: columns.advantage as Numbers };
}
