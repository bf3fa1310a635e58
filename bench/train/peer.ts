// Another program that does the same step: one line to it, one line back.
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { NetworkConfig } from '../../lib/native.js';

export interface Work {
  dtype: 'f32' | 'bf16';
  threads: number;
  sequences: number;
  length: number;
  rank: number;
  model?: string;
  network: NetworkConfig;
}

export class Peer {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly ended: Promise<number | null>;

  constructor(python: string, work: Work) {
    // Compiled to build/bench/bench/train: the script lies in the sources.
    const script = resolve(dirname(fileURLToPath(import.meta.url)), '../../../../bench/peers/torch_train.py');
    const { dtype, threads, sequences, length, rank } = work;
    const shape = work.model ? ['--model', work.model] : ['--shape', JSON.stringify(work.network)];
    const options = Object.entries({ dtype, threads, sequences, length, rank }).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.child = spawn(python, [script, ...options, ...shape], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.ended = new Promise((done, fail) => this.child.once('error', fail).once('close', done));
    this.ended.catch(() => undefined);
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  /** Its next answer, as JSON. */
  async answer<T>(): Promise<T> {
    const next = await Promise.race([this.lines.next(), this.ended.then(() => ({ done: true, value: '' }))]);
    if (next.done) throw new Error(`the peer ended with status ${await this.ended}; its words are above`);
    return JSON.parse(next.value) as T;
  }

  async step(): Promise<number> {
    this.child.stdin!.write('step\n');
    return (await this.answer<{ seconds: number }>()).seconds;
  }

  async end(): Promise<number> {
    this.child.stdin!.write('end\n');
    return (await this.answer<{ peakMiB: number }>()).peakMiB;
  }

  /** Between turns it stands still: the threads of OpenMP spin after their work and would take our CPUs. */
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
