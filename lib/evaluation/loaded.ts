/** What questions to a model need of it: `Model` is one, and a test's own may be. */
import type { ModelFolder } from '../checkpoint/model_folder.js';
import type { NativeModel } from '../native.js';
import type { Tokenizer } from '../tokenizer/index.js';

export interface LoadedModel {
  readonly base: ModelFolder;
  readonly tokenizer: Tokenizer;
  readonly native: NativeModel;
  /** Most tokens of a sequence. */
  readonly context: number;
}
