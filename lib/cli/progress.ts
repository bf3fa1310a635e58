/** How a run is shown: one live line on a terminal, plain lines elsewhere. */
import type { WriteStream } from 'node:tty';
import type { HubProgress } from '../checkpoint/hub.js';
import type { StepEvent, TrainingEvent } from '../training/events.js';
import { count, describe, describeSampled, describeStep } from './event_words.js';

/** Milliseconds between plain lines, so that a log of a long run stays readable. */
const PAUSE = 5000;
/** Weight of the newest step in the smoothed rate, from which the time left is told. */
const NEWEST = 0.1;

type Stream = Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;

export class Progress {
  #live = '';
  #steps = 0;
  #secondsPerStep: number | undefined;
  #lastPlain = Number.NEGATIVE_INFINITY;
  #lastLine = '';

  /** @param quiet only a live line is shown, as events go elsewhere */
  constructor(
    private readonly stream: Stream,
    private readonly quiet: boolean,
    private readonly now: () => number = () => performance.now(),
  ) {}

  tell(event: TrainingEvent): void {
    if (event.event === 'start') this.#steps = event.steps;
    if (event.event === 'step') this.#step(event);
    else if (event.event === 'sampled') this.#show(describeSampled(event), event.prompts === event.of);
    else this.say(describe(event));
  }

  download({ file, bytes, totalBytes }: HubProgress): void {
    const mib = (n: number) => (n / 2 ** 20).toFixed(0);
    this.#show(`fetching ${file}: ${mib(bytes)} of ${mib(totalBytes)} MiB`, bytes === totalBytes);
  }

  /** How many of the rows are done. */
  rows({ rows, of }: { rows: number; of: number }): void {
    this.#show(`${count(rows)} of ${count(of)} rows`, false);
  }

  /** A line that stays. */
  say(line: string): void {
    if (!this.quiet || this.stream.isTTY) this.warn(line);
  }

  /** A line that stays, also where events go elsewhere. */
  warn(line: string): void {
    this.#clear();
    this.stream.write(`${line}\n`);
    this.#draw(this.#live);
  }

  /** Takes the live line away, leaving what it said last. */
  end(): void {
    this.#clear();
    this.#live = '';
  }

  #step(event: StepEvent): void {
    const seconds = event.tokens / event.tokensPerSecond;
    this.#secondsPerStep = this.#secondsPerStep === undefined ? seconds : this.#secondsPerStep + NEWEST * (seconds - this.#secondsPerStep);
    const left = (this.#steps - event.step) * this.#secondsPerStep;
    this.#show(describeStep(event, this.#steps, left), event.step === 1 || event.step === this.#steps);
  }

  #show(line: string, always: boolean): void {
    if (this.stream.isTTY) {
      this.#clear();
      this.#live = line;
      this.#draw(line);
      return;
    }
    if (this.quiet || line === this.#lastLine || (!always && this.now() - this.#lastPlain < PAUSE)) return;
    this.#lastPlain = this.now();
    this.#lastLine = line;
    this.stream.write(`${line}\n`);
  }

  #draw(line: string): void {
    // One column is left free: some terminals break a line that is full.
    if (this.stream.isTTY && line !== '') this.stream.write(line.slice(0, (this.stream.columns ?? 80) - 1));
  }

  #clear(): void {
    if (this.stream.isTTY && this.#live !== '') this.stream.write('\r\u001b[2K');
  }
}
