/** Reward functions: what a JavaScript module exports, run in a thread of its own, so that one that never yields can be ended. */
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DataError, nearest, WorkError } from '../../errors/index.js';
import { ifThere } from '../../errors/system.js';
import { REWARD_WORKER, type WorkerAnswer } from './reward_worker.js';

/** One answer, as a reward function sees it. */
export interface RewardRow {
  /** The prompt as the model saw it. */
  prompt: string;
  /** The answer without end token and stop text. */
  completion: string;
  /** The row of the prompt with all its columns. */
  row: Readonly<Record<string, unknown>>;
}

/** As a recipe names it: `function` is FILE#NAME with an absolute path. */
export interface RewardFunctionSource {
  function: string;
  timeoutSeconds: number;
}

/** `/x/rewards.mjs#length` → file and name. */
function placeOf({ function: place }: RewardFunctionSource): { file: string; name: string } {
  const at = place.lastIndexOf('#');
  return { file: place.slice(0, at), name: place.slice(at + 1) };
}

export class RewardFunction {
  readonly #file: string;
  readonly #name: string;
  readonly #seconds: number;
  readonly #worker: Worker;
  #waiting: { answered(answer: WorkerAnswer): void; failed(error: WorkError): void } | undefined;
  #over: WorkError | undefined;

  private constructor(source: RewardFunctionSource) {
    const { file, name } = placeOf(source);
    this.#file = file;
    this.#name = name;
    this.#seconds = source.timeoutSeconds;
    const workerData = { url: pathToFileURL(file).href, name };
    this.#worker = new Worker(REWARD_WORKER, { eval: true, workerData, stdout: true, stderr: true });
    // What a function prints is no event of the run.
    this.#worker.stdout.pipe(process.stderr, { end: false });
    this.#worker.stderr.pipe(process.stderr, { end: false });
    this.#worker.on('message', (answer: WorkerAnswer) => this.#waiting?.answered(answer));
    this.#worker.on('error', (error: Error) => this.#end(this.#fault(`threw ${error?.name}: ${error?.message}`)));
    this.#worker.on('exit', (code) => this.#end(this.#fault(`ended its thread with status ${code}`)));
  }

  /**
   * Loads the module.
   * @throws DataError `missing_reward_function` where file or name are not there, `bad_reward_function` where the module does not load
   */
  static async open(source: RewardFunctionSource): Promise<RewardFunction> {
    const { file } = placeOf(source);
    const found = await ifThere(stat(file), file);
    if (found === undefined) throw new DataError('missing_reward_function', 'no such file of reward functions', { file });
    const opened = new RewardFunction(source);
    try {
      await opened.#load();
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /**
   * The reward of each row.
   * @throws WorkError `reward_failed` for what the function throws or answers wrongly, `reward_timeout`
   */
  async rewards(rows: readonly RewardRow[]): Promise<Float64Array> {
    const answer = await this.#asked(() => this.#worker.postMessage(rows));
    if ('thrown' in answer) throw this.#fault(`threw ${answer.thrown}`);
    if ('got' in answer) throw this.#fault(`must give a list of ${rows.length} numbers, not ${answer.got}`);
    if (!('values' in answer)) throw this.#fault('answered nothing');
    const { values } = answer;
    if (values.length !== rows.length) throw this.#fault(`gave ${values.length} values for ${rows.length} answers; it must give one each`);
    const at = values.findIndex((value) => typeof value !== 'number' || !Number.isFinite(value));
    if (at >= 0) throw this.#fault(`gave ${String(values[at])} for answer ${at + 1} of ${rows.length}; it must be a finite number`);
    return Float64Array.from(values as number[]);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  async #load(): Promise<void> {
    const answer = await this.#asked(() => {});
    const place = { file: this.#file };
    if ('thrown' in answer) throw new DataError('bad_reward_function', `does not load: ${answer.thrown}`, place);
    if (!('exports' in answer) || answer.type === 'function') return;
    const names = answer.exports;
    const guess = nearest(this.#name, names);
    const hint = guess === undefined ? `; it exports ${names.join(', ') || 'nothing'}` : `; did you mean ${guess}?`;
    const what =
      answer.type === 'undefined' ? `exports no ${this.#name}${hint}` : `${this.#name} is no function but of type ${answer.type}`;
    throw new DataError('missing_reward_function', what, place);
  }

  /** The worker's next message after `ask`. Whatever ends the thread first is a failure of the function. */
  async #asked(ask: () => void): Promise<WorkerAnswer> {
    if (this.#over !== undefined) throw this.#over;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(this.#late()), this.#seconds * 1000);
      const settled = () => {
        clearTimeout(timer);
        this.#waiting = undefined;
      };
      const answered = (answer: WorkerAnswer) => {
        settled();
        resolve(answer);
      };
      const failed = (error: WorkError) => {
        settled();
        reject(error);
      };
      this.#waiting = { answered, failed };
      ask();
    });
  }

  /** The thread is of no more use. */
  #end(error: WorkError): void {
    this.#over ??= error;
    this.#waiting?.failed(this.#over);
    void this.#worker.terminate();
  }

  #late(): WorkError {
    const message = `the reward function ${this.#name} gave no answer within timeoutSeconds ${this.#seconds}`;
    return new WorkError('reward_timeout', message, { file: this.#file });
  }

  #fault(what: string): WorkError {
    return new WorkError('reward_failed', `the reward function ${this.#name} ${what}`, { file: this.#file });
  }
}
