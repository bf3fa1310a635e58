/**
 * The native library in a process of its own, for files that could end it or keep it busy without end (see
 * `plain.ts`). The process is ended when it gets no further, and ends by itself when this one does.
 */
import { createRequire } from 'node:module';
import { DataError } from '../errors/index.js';
import { type NoAnswer, Program } from '../processes/start.js';
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

type Question = Request | { source: string };

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
const left = new FinalizationRegistry<Program<Question, Answer>>((program) => program.close());

export class NativeProcess {
  readonly #program: Program<Question, Answer>;
  /** Requests one after another: an answer does not say what it answers. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly file: string,
    most?: number,
  ) {
    this.#program = new Program(PROGRAM, [createRequire(import.meta.url).resolve('tokenizers')], most);
    left.register(this, this.#program);
  }

  /**
   * @param most bytes of memory that it may take; default: a share of what is free
   * @throws DataError `malformed_tokenizer`, `unsupported_tokenizer`
   */
  static async open(source: string, file: string, most?: number): Promise<NativeProcess> {
    const opened = new NativeProcess(file, most);
    try {
      await opened.#asked({ source }, source.length);
    } catch (error) {
      opened.#program.close();
      throw error;
    }
    return opened;
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

  async #asked(question: Question, size: number): Promise<Encoded[]> {
    const answer = await this.#program.ask(question, secondsFor(size)).catch((why: NoAnswer) => {
      throw why.seconds === undefined
        ? this.#fault(`the native library has a process of its own, and ${why.message}`)
        : tooSlow(why.seconds, this.file);
    });
    if ('encoded' in answer) return answer.encoded;
    throw this.#fault(answer.thrown.split('\n')[0] ?? '');
  }

  #fault(why: string): DataError {
    return new DataError('malformed_tokenizer', `not a tokenizer that can be read and used: ${why}`, { file: this.file });
  }
}
