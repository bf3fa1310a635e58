/** Everything that rewards a step's answers, added up with its weights: reward functions and reward models. */

import type { Tokens } from '../../data/index.js';
import type { RewardSources } from '../../methods/index.js';
import type { Tokenizer } from '../../tokenizer/index.js';
import type { FrozenModels } from '../reference/reference.js';
import { RewardModel } from '../reference/reward_models.js';
import type { Policy } from '../reference/same_tokenizer.js';
import { judgedSequences, withoutEnd } from './answer_sequences.js';
import type { Answer } from './answers.js';
import { RewardFunction } from './reward_functions.js';

/** `rewards` of a recipe. */

interface Weighted<Judge> {
  judge: Judge;
  weight: number;
}

type Functions = readonly Weighted<RewardFunction>[];

/** Loads the modules of reward functions, before anything that takes long. Close them whatever comes. */
export async function openRewardFunctions(sources: RewardSources): Promise<Functions> {
  const opened: Weighted<RewardFunction>[] = [];
  try {
    for (const source of sources)
      if ('function' in source) opened.push({ judge: await RewardFunction.open(source), weight: source.weight });
    return opened;
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

export const closeAll = async (functions: Functions) => {
  for (const { judge } of functions) await judge.close();
};

export class Judges {
  private constructor(
    private readonly functions: Functions,
    private readonly models: readonly Weighted<RewardModel>[],
    private readonly tokenizer: Tokenizer,
    private readonly microBatchTokens: number,
  ) {}

  /** Adds the reward models to functions that are open already. */
  static async open(
    sources: RewardSources,
    functions: Functions,
    policy: Policy & { microBatchTokens: number },
    frozen: FrozenModels,
  ): Promise<Judges> {
    const models: Weighted<RewardModel>[] = [];
    for (const [n, source] of sources.entries())
      if ('model' in source)
        models.push({ judge: await RewardModel.open(source.model, `reward${n + 1}`, policy, frozen), weight: source.weight });
    return new Judges(functions, models, policy.tokenizer, policy.microBatchTokens);
  }

  /** (S) weighted sum of the rewards of each answer. */
  async rewards(prompts: readonly Tokens[], answers: readonly Answer[]): Promise<Float64Array> {
    const total = new Float64Array(answers.length);
    const add = (values: Float64Array, weight: number) => {
      for (const [n, value] of values.entries()) total[n] = (total[n] as number) + weight * value;
    };
    const rows = answers.map(({ prompt, text }) => rewardRow(prompts[prompt] as Tokens, text));
    const judged = await Promise.all(this.functions.map(({ judge }) => judge.rewards(rows)));
    for (const [n, { weight }] of this.functions.entries()) add(judged[n] as Float64Array, weight);
    const { distinct, placeOf } = distinctAnswers(answers, this.tokenizer);
    const sequences = (most: number) => judgedSequences(prompts, distinct, this.tokenizer, most);
    for (const { judge, weight } of this.models) {
      const scores = await judge.scores(sequences, this.microBatchTokens);
      add(
        Float64Array.from(placeOf, (place) => scores[place] as number),
        weight,
      );
    }
    return total;
  }

  close(): Promise<void> {
    return closeAll(this.functions);
  }
}

/**
 * Answers that a reward model reads differently, and where among them each answer is. Equal ones to a prompt are so rewarded alike to the last bit, though
 * a sequence rounds in its own way at every place behind a shared beginning.
 */
function distinctAnswers(answers: readonly Answer[], { ends }: Pick<Tokenizer, 'ends'>): { distinct: Answer[]; placeOf: Int32Array } {
  const places = new Map<string, number>();
  const distinct: Answer[] = [];
  const placeOf = Int32Array.from(answers, (answer) => {
    const key = `${answer.prompt} ${withoutEnd(answer.ids, ends)}`;
    const place = places.get(key) ?? distinct.push(answer) - 1;
    places.set(key, place);
    return place;
  });
  return { distinct, placeOf };
}

const rewardRow = ({ unit }: Tokens, completion: string) => ({ prompt: unit?.prompt ?? '', completion, row: unit?.columns ?? {} });
