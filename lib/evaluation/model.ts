/** A model that is loaded to be asked: weights, tokenizer and chat template together. */
import { type Adapter, refuseHead } from '../checkpoint/adapter.js';
import { readAdapter } from '../checkpoint/adapter_read.js';
import type { HubOptions } from '../checkpoint/hub.js';
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder.js';
import { modelPlace } from '../checkpoint/model_place.js';
import { loadNative, nativeAdapter } from '../checkpoint/native_model.js';
import { readTensor } from '../checkpoint/safetensors.js';
import { checkVocabulary } from '../checkpoint/vocabulary.js';
import type { CheckpointWarning } from '../checkpoint/warning.js';
import { DataError } from '../errors/index.js';
import type { DType, NativeModel } from '../native.js';
import { contextOf } from '../network/config.js';
import { openTokenizer, type Tokenizer } from '../tokenizer/index.js';
import { type Evaluation, type EvaluationData, evaluateModel } from './evaluate.js';
import { type GenerateOptions, type Generation, generateText } from './generate.js';
import type { LoadedModel } from './loaded.js';
import { type ScoredData, type Scores, scoreModel } from './score.js';

export interface LoadModelOptions extends HubOptions {
  /** PEFT folder. */
  adapter?: string | undefined;
  /** Arithmetic; default bf16. */
  dtype?: DType | undefined;
  /** CPU threads; results are the same for every number. */
  threads?: number | 'auto' | undefined;
  /** A reward model is wanted, which scores texts and writes none. Default false. */
  scores?: boolean | undefined;
  /** Is told what is worth knowing of the files, which are opened all the same. */
  onWarning?: ((warning: CheckpointWarning) => void) | undefined;
}

/** A loaded model. Call `dispose` when done, or declare it with `using`: its weights lie outside of JavaScript's heap. */
export class Model implements LoadedModel {
  constructor(
    readonly base: ModelFolder,
    readonly tokenizer: Tokenizer,
    readonly native: NativeModel,
  ) {}

  get context(): number {
    return contextOf(this.base.config);
  }

  /** Text after a prompt or a chat, piece by piece; the generator returns the whole. */
  generate(prompt: string, options: GenerateOptions = {}): Generation {
    return generateText(this, prompt, options);
  }

  /** Mean nats over the predicted tokens of files. */
  evaluate(data: EvaluationData): Promise<Evaluation> {
    return evaluateModel(this, data);
  }

  /** Scores of rows, where this is a reward model. */
  score(data: ScoredData): Promise<Scores> {
    return scoreModel(this, data);
  }

  /** Twice is as good as once. */
  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Opens a Hugging Face folder, or a hub id, with its tokenizer and maybe an adapter.
 * @throws DataError for files that are missing or wrong; WorkError `native_missing`
 */
export async function loadModel(model: string, options: LoadModelOptions = {}): Promise<Model> {
  const { adapter: adapterFolder, dtype = 'bf16', threads = 'auto', scores = false, onWarning, ...hub } = options;
  const base = await openModelFolder(await modelPlace(model, hub), { scores });
  const tokenizer = await openTokenizer(base.folder);
  const added = checkVocabulary(base, tokenizer);
  const adapter = adapterFolder === undefined ? undefined : await readAdapter(adapterFolder, base.config, base.folder);
  if (!scores && adapter !== undefined) refuseHead(adapter, adapterFolder as string);
  const head = scores ? await headOf(base, adapter, adapterFolder) : undefined;
  for (const warning of [...base.warnings, ...added, ...(adapter?.warnings ?? [])]) onWarning?.(warning);
  hub.signal?.throwIfAborted();
  const native = await loadNative(base, { dtype, threads });
  if (adapter !== undefined) await native.setAdapter(nativeAdapter(adapter));
  if (head !== undefined) await native.setHead(head);
  return new Model(base, tokenizer, native);
}

/** The head that scores: the adapter's, or the base's own. */
async function headOf({ folder, score }: ModelFolder, adapter: Adapter | undefined, place = folder): Promise<Float32Array> {
  if (adapter?.head !== undefined) return adapter.head;
  if (score !== undefined) return readTensor(score);
  const made = 'method: reward makes one (task_type SEQ_CLS with modules_to_save ["score"], or a model for sequence classification)';
  throw new DataError('no_score_head', `has no score head, so it is no reward model; ${made}`, { file: place });
}
