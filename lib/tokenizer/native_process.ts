/**
 * The native library in a process of its own, for files that could end it or keep it busy without end (see
 * `plain.ts`). The process is ended when it gets no further, and ends by itself when this one does.
 */
import type { ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { DataError } from '../errors/index.js';
import { startProgram } from '../processes/start.js';
import { secondsFor, tooSlow } from './limited.js';

interface Encoded {
  ids: number[];
  offsets: [number, number][];
}

type Answer = { encoded: Encoded[] } | { thrown: string };

interface Request {
  texts: readonly string[];
  special: boolean;
}

/** The first message is the tokenizer. */
const PROGRAM = `
  const { createRequire } = await import('node:module');
  const { Tokenizer } = createRequire(process.argv[1])(process.argv[1]);
  let tokenizer;
  const answer = async ({ source, texts, special }) => {
    if (source === undefined) {
      const all = await tokenizer.encodeBatch(texts, { addSpecialTokens: special });
      return { encoded: all.map((one) => ({ ids: one.getIds(), offsets: one.getOffsets() })) };
    }
    tokenizer = Tokenizer.fromString(source);
    tokenizer.disableTruncation();
    tokenizer.disablePadding();
    return { encoded: [] };
  };
  process.on('message', async (request) => {
    process.send(await answer(request).catch((error) => ({ thrown: String(error?.message ?? error) })));
  });`;

/** Ends the process of a tokenizer that nobody has any more. */
const left = new FinalizationRegistry<ChildProcess>((child) => child.kill('SIGKILL'));

export class NativeProcess {
  readonly #child: ChildProcess;
  #ended: DataError | undefined;
  #fail: ((error: DataError) => void) | undefined;
  #answered: ((answer: Answer) => void) | undefined;
  /** Requests one after another: an answer does not say what it answers. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(private readonly file: string) {
    this.#child = startProgram(PROGRAM, [createRequire(import.meta.url).resolve('tokenizers')]);
    this.#listen();
    this.#hold(false);
    left.register(this, this.#child);
  }

  /** Listeners reach this object weakly: the process must not keep it alive. */
  #listen(): void {
    const self = new WeakRef<NativeProcess>(this);
    const tell = (act: (self: NativeProcess) => void) => {
      const one = self.deref();
      if (one) act(one);
    };
    this.#child.on('message', (answer) => tell((one) => one.#answered?.(answer as Answer)));
    this.#child.on('error', ({ message }) => tell((one) => one.#end(`its process does not start: ${message}`)));
    this.#child.on('exit', (status, signal) =>
      tell((one) => one.#end(`the native library ended its process (${signal ?? `status ${status}`})`)),
    );
  }

  /** @throws DataError `malformed_tokenizer`, `unsupported_tokenizer` */
  static async open(source: string, file: string): Promise<NativeProcess> {
    const process = new NativeProcess(file);
    try {
      await process.#asked({ source }, source.length);
    } catch (error) {
      process.#child.kill('SIGKILL');
      throw error;
    }
    return process;
  }

  /**
   * @throws DataError `malformed_tokenizer` where the library fails, `unsupported_tokenizer` where it
   * takes too long
   */
  async encode(request: Request): Promise<Encoded[]> {
    const size = request.texts.reduce((sum, text) => sum + text.length, 0);
    const turn = this.#last.then(() => this.#asked(request, size));
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  async #asked(request: Request | { source: string }, size: number): Promise<Encoded[]> {
    if (this.#ended) throw this.#ended;
    this.#hold(true);
    const seconds = secondsFor(size);
    const timer = setTimeout(() => this.#failed(tooSlow(seconds, this.file)), seconds * 1000);
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        this.#answered = resolve;
        this.#fail = reject;
        this.#child.send(request, (error) => error && this.#end(`its process does not listen: ${error.message}`));
      });
      if ('encoded' in answer) return answer.encoded;
      throw this.#fault(answer.thrown.split('\n')[0] ?? '');
    } finally {
      clearTimeout(timer);
      this.#answered = undefined;
      this.#fail = undefined;
      this.#hold(false);
    }
  }

  /** Whether the process keeps this one from ending. */
  #hold(on: boolean): void {
    for (const handle of [this.#child, this.#child.channel]) on ? handle?.ref() : handle?.unref();
  }

  #end(why: string): void {
    this.#failed(this.#fault(why));
  }

  #failed(error: DataError): void {
    this.#ended ??= error;
    this.#child.kill('SIGKILL');
    this.#fail?.(this.#ended);
  }

  #fault(why: string): DataError {
    return new DataError('malformed_tokenizer', `not a tokenizer that can be read and used: ${why}`, { file: this.file });
  }
}
