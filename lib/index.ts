/** The public surface of attune. */
export type { Adapter } from './checkpoint/adapter.js';
export type { HubProgress } from './checkpoint/hub.js';
export type { ModelFolder } from './checkpoint/model_folder.js';
export type { ChatMessage, Counts, Dataset, PreviewRow } from './data/index.js';
export { AttuneError, DataError, type ErrorKind, exitStatus, InterruptedError, RequestError, WorkError } from './errors/index.js';
export type { Evaluation, EvaluationData } from './evaluation/evaluate.js';
export type { Generated, GeneratedPiece, GenerateOptions, Generation } from './evaluation/generate.js';
export { type EvaluateOptions, evaluate, generate, type ScoreRewardOptions, scoreReward } from './evaluation/index.js';
export { type MergeOptions, type MergeResult, merge } from './evaluation/merge.js';
export { type LoadModelOptions, loadModel, type Model } from './evaluation/model.js';
export type { JudgedParity, Parity } from './evaluation/parity.js';
export type { ScoredData, Scores } from './evaluation/score.js';
export * as kernels from './kernels/index.js';
export { methods } from './methods/index.js';
export type { CpuFacts, DType, NetworkConfig, StoredType } from './native.js';
export {
  parseRecipe,
  type ReadRecipe,
  type Recipe,
  type RecipeInput,
  readRecipe,
  recipeJsonSchema,
  type StagedInput,
} from './recipe/index.js';
export { openChat, openTokenizer, type Tokenizer, trainTokenizer, writeTokenizer } from './tokenizer/index.js';
export type {
  CheckpointEvent,
  DoneEvent,
  EvaluationEvent,
  StartEvent,
  StepEvent,
  TrainingEvent,
  WarningEvent,
} from './training/events.js';
export { type PreviewOptions, previewRecipe } from './training/run/preview.js';
export { type TrainInput, type TrainOptions, train } from './training/run/train.js';
