/** Answers of the policy to a step's prompts: sampled, ended by end tokens and stop texts. */
import type { NativeModel, NativeRollout } from '../../native.js';
import type { Tokenizer } from '../../tokenizer/index.js';

export interface SamplingRules {
  samplesPerPrompt: number;
  maxNewTokens: number;
  temperature: number;
  /** Texts that end an answer. */
  stop: readonly string[];
}

/** One answer. Answers to one prompt lie side by side. */
export interface Answer {
  /** Place of its prompt in the step. */
  prompt: number;
  /** Every new token: the end token, or those of the stop text, included. */
  ids: Int32Array;
  /** Without end token and stop text; a leading space is kept. */
  text: string;
  /** It ended by itself. */
  stopped: boolean;
}

type Words = Pick<Tokenizer, 'ends' | 'stream'>;

/** Tokens made for every answer between two looks for stop texts: what is made beyond one is thrown away. */
const LOOK_EVERY = 8;

/** Samples `samplesPerPrompt` answers to each prompt. The same seed gives the same answers, whatever else the machine does. */
export async function sampleAnswers(
  native: NativeModel,
  tokenizer: Words,
  prompts: Int32Array[],
  { samplesPerPrompt, maxNewTokens, temperature, stop }: SamplingRules,
  seed: number,
): Promise<Answer[]> {
  const ends = Int32Array.from(tokenizer.ends);
  const rollout = native.startRollout({ prompts, samples: samplesPerPrompt, maxNewTokens, temperature, seed, ends });
  try {
    const readers = Array.from({ length: rollout.length }, (_, n) => new AnswerReader(rollout, n, tokenizer, stop));
    const most = stop.length === 0 ? maxNewTokens : LOOK_EVERY;
    let more = true;
    while (more) {
      more = await rollout.advance(most);
      for (const reader of readers) reader.read();
    }
    return readers.map((reader) => reader.finish());
  } finally {
    rollout.dispose();
  }
}

/** Reads one answer as it grows, and ends it where a stop text is complete. */
class AnswerReader {
  readonly #decoder;
  #text = '';
  #read = 0;
  #stopAt: number | undefined;

  constructor(
    private readonly rollout: NativeRollout,
    private readonly index: number,
    private readonly tokenizer: Words,
    private readonly stops: readonly string[],
  ) {
    this.#decoder = tokenizer.stream({ continues: true });
  }

  /** Takes in what is new. The answer ends with the token that completes a stop text, however many came after it. */
  read(): void {
    const { ids } = this.rollout.answer(this.index);
    while (this.#stopAt === undefined && this.#read < ids.length) {
      const id = ids[this.#read++] as number;
      if (this.tokenizer.ends.includes(id)) return;
      this.#add(this.#decoder.push(id));
      if (this.#stopAt !== undefined) this.rollout.cancel(this.index, this.#read);
    }
  }

  finish(): Answer {
    const { prompt, ids, stop } = this.rollout.answer(this.index);
    if (this.#stopAt === undefined) this.#add(this.#decoder.end());
    const text = this.#stopAt === undefined ? this.#text : this.#text.slice(0, this.#stopAt);
    return { prompt, ids, text, stopped: stop === 'eos' || stop === 'cancelled' };
  }

  #add(piece: string): void {
    const before = this.#text.length;
    this.#text += piece;
    // Only a stop text that ends in the new piece is new.
    const places = this.stops.map((stop) => this.#text.indexOf(stop, Math.max(0, before - stop.length + 1)));
    const found = places.filter((at) => at >= 0);
    if (found.length > 0) this.#stopAt = Math.min(...found);
  }
}
