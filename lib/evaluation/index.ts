/** One call for one answer: a model is loaded, asked and put away. For several questions, load it once with `loadModel`. */
import type { Evaluation, EvaluationData } from './evaluate.js';
import type { GenerateOptions, Generation } from './generate.js';
import { type LoadModelOptions, loadModel } from './model.js';
import type { ScoredData, Scores } from './score.js';

export interface EvaluateOptions extends EvaluationData, LoadModelOptions {
  /** Hugging Face folder or hub id. */
  model: string;
}

/** Mean nats over the predicted tokens of files. */
export async function evaluate({ model: place, ...options }: EvaluateOptions): Promise<Evaluation> {
  const model = await loadModel(place, options);
  try {
    return await model.evaluate(options);
  } finally {
    model.dispose();
  }
}

export interface ScoreRewardOptions extends ScoredData, LoadModelOptions {
  /** Hugging Face folder or hub id: a reward model, or the base of `adapter`. */
  model: string;
}

/** Scores of a reward model, raw, one a row. Arithmetic is f32 unless told otherwise: scores are compared, and bf16 tells few of them apart. */
export async function scoreReward({ model: place, dtype = 'f32', ...options }: ScoreRewardOptions): Promise<Scores> {
  const model = await loadModel(place, { ...options, dtype, scores: true });
  try {
    return await model.score(options);
  } finally {
    model.dispose();
  }
}

/** Text after a prompt, piece by piece. */
export async function* generate(
  prompt: string,
  { model: place, ...options }: GenerateOptions & LoadModelOptions & { model: string },
): Generation {
  const model = await loadModel(place, options);
  try {
    return yield* model.generate(prompt, options);
  } finally {
    model.dispose();
  }
}
