/** Programs in a process of their own: what may not end, may take all memory, or may end its process, does so there. */
import { type ChildProcess, spawn } from 'node:child_process';

/** How often a program looks for its parent and at its memory, in milliseconds. */
const LOOKS = 50;
/** What a program ends itself by that takes too much memory: a signal that nobody else sends. */
const TOO_LARGE = 'SIGUSR2';

/**
 * An idle program ends when the channel closes. A busy one does not hear of it: a thread of it looks whether the
 * process that asks is still its parent (elsewhere than on Linux and macOS the parent's id may stay as it was), and
 * whether the program's resident memory is still within its bound. Windows knows no such signal: there the process
 * ends all the same, and it is not said why.
 */
const WATCHED = `
  {
    const { Worker } = await import('node:worker_threads');
    const [parent, most] = process.argv.splice(1, 2);
    process.on('disconnect', () => process.exit());
    const watch = 'setInterval(() => {' +
      'if (process.ppid !== ' + parent + ') process.kill(process.pid, "SIGKILL");' +
      'if (process.memoryUsage.rss() > ' + most + ') process.kill(process.pid, "${TOO_LARGE}"); }, ${LOOKS})';
    new Worker(watch, { eval: true }).unref();
  }`;

/** Bytes that a program may take by default: three quarters of the memory that is free when it starts; the rest is for whoever asks it. */
const mostOf = () => 0.75 * process.availableMemory();

/**
 * Starts a program that answers by messages (`process.on('message')`, `process.send`).
 * @param source of an ES module, as text: compiled or not, attune then starts it in the same way
 * @param args what it finds in `process.argv` from 1 on
 * @param most bytes of resident memory, at which it is ended
 */
export function startProgram(source: string, args: readonly string[], most = mostOf()): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', WATCHED + source, `${process.pid}`, `${Math.round(most)}`, ...args], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    // Not this process's own options (an inspector's port, say), and not its group: Ctrl-C is for this process to answer.
    env: { ...process.env, NODE_OPTIONS: '' },
    detached: true,
    windowsHide: true,
  });
}

/** Why a program gives no answer; in words, for an error that names the file. */
export class NoAnswer extends Error {
  /** @param seconds after which it was ended, where that was the reason */
  constructor(
    message: string,
    readonly seconds?: number,
  ) {
    super(message);
  }
}

/** A program that answers one question at a time. It keeps this process from ending only while it is asked. */
export class Program<Question extends object, Answer> {
  readonly #child: ChildProcess;
  #ended: NoAnswer | undefined;
  #waiting: { answered(answer: Answer): void; failed(why: NoAnswer): void } | undefined;

  /** Its parameters are those of `startProgram`. */
  constructor(source: string, args: readonly string[], most = mostOf()) {
    this.#child = startProgram(source, args, most);
    this.#child.on('message', (answer) => this.#waiting?.answered(answer as Answer));
    this.#child.on('error', ({ message }) => this.#end(new NoAnswer(`its process does not start: ${message}`)));
    this.#child.on('exit', (status, signal) => this.#end(new NoAnswer(endOf(status, signal, most))));
    this.#hold(false);
  }

  /**
   * @param seconds after which the program is ended
   * @throws NoAnswer where it has ended, or ends before it answers
   */
  async ask(question: Question, seconds: number): Promise<Answer> {
    if (this.#ended) throw this.#ended;
    this.#hold(true);
    const late = new NoAnswer(`it got no further in ${Math.round(seconds)} seconds`, seconds);
    const timer = setTimeout(() => this.#end(late), seconds * 1000);
    try {
      return await new Promise<Answer>((answered, failed) => {
        this.#waiting = { answered, failed };
        this.#child.send(question, (error) => error && this.#unheard(error));
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
      this.#hold(false);
    }
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  #hold(on: boolean): void {
    for (const handle of [this.#child, this.#child.channel]) on ? handle?.ref() : handle?.unref();
  }

  /** A process that has ended does not listen either: why it did comes with its `exit`. */
  #unheard({ message }: Error): void {
    setTimeout(() => this.#end(new NoAnswer(`its process does not listen: ${message}`)), 1000);
  }

  #end(why: NoAnswer): void {
    this.#ended ??= why;
    this.close();
    this.#waiting?.failed(this.#ended);
  }
}

const endOf = (status: number | null, signal: NodeJS.Signals | null, most: number) =>
  signal === TOO_LARGE
    ? `it took more than ${Math.round(most / 2 ** 20)} MiB of memory`
    : `it ended its process (${signal ?? `status ${status}`})`;
