// A program that does the same work beside others: one line to it, one line back. It may be attune in a process of its own, or another program.
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The peers' scripts lie in the sources; this file is compiled to build/bench/bench/sides. */
export const peerScript = (name: string) => resolve(dirname(fileURLToPath(import.meta.url)), '../../../../bench/peers', name);

/** What a step came to: its time, and what shows that it did the work. */
export interface Took {
  seconds: number;
  [figure: string]: number;
}

/** What takes turns with others; what stands still between its turns may do so in a process of its own. */
export interface Program {
  readonly name: string;
  /** What it says when it can take its first step: versions, threads. */
  ready(): Promise<Record<string, unknown>>;
  step(): Promise<Took>;
  /** Ends it -> highest resident set, MiB. */
  end(): Promise<number>;
  pause(): void;
  resume(): void;
  stop(): void;
}

export class Side implements Program {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly ended: Promise<number | null>;

  constructor(
    readonly name: string,
    command: string,
    args: readonly string[],
  ) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.ended = new Promise((done, fail) => this.child.once('error', fail).once('close', done));
    this.ended.catch(() => undefined);
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  ready() {
    return this.answer<Record<string, unknown>>();
  }

  /** Its next answer, as JSON. */
  private async answer<T>(): Promise<T> {
    const next = await Promise.race([this.lines.next(), this.ended.then(() => ({ done: true, value: '' }))]);
    if (next.done) throw new Error(`${this.name} ended with status ${await this.ended}; its words are above`);
    return JSON.parse(next.value) as T;
  }

  async step(): Promise<Took> {
    this.child.stdin!.write('step\n');
    return this.answer<Took>();
  }

  async end(): Promise<number> {
    this.child.stdin!.write('end\n');
    return (await this.answer<{ peakMiB: number }>()).peakMiB;
  }

  /** Between turns it stands still: threads that spin after their work would take our CPUs. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }
  resume(): void {
    this.child.kill('SIGCONT');
  }
  stop(): void {
    this.child.kill('SIGKILL');
  }
}
