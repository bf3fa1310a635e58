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

export class Side {
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

  /** Its next answer, as JSON. */
  async answer<T>(): Promise<T> {
    const next = await Promise.race([this.lines.next(), this.ended.then(() => ({ done: true, value: '' }))]);
    if (next.done) throw new Error(`${this.name} ended with status ${await this.ended}; its words are above`);
    return JSON.parse(next.value) as T;
  }

  async step(): Promise<Took> {
    this.child.stdin!.write('step\n');
    return this.answer<Took>();
  }

  /** Ends it -> highest resident set, MiB. */
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
