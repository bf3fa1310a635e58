/**
 * `run.lock` in the folder of a run: two processes that went on with one run would write over each other. It holds who has the folder, down to the
 * thread, and when that thread began, so that what a killed process left is told from what one at work holds, whatever number came again.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { isRunning, writeFault } from '../../checkpoint/files.js';
import { RequestError } from '../../errors/index.js';
import { ifThere, isAbsent } from '../../errors/system.js';

/** Its name in the folder. */
export const LOCK = 'run.lock';
/** Milliseconds between two signs of life, which tell other machines and containers that the owner is at work. */
const BEAT = 15_000;
/** A lock of another machine that is older than four signs of life has lost its owner. */
const FRESH = 4 * BEAT;

/** Who holds a folder. Numbers of processes mean something on one boot of one machine, in one container. */
export interface Owner {
  host: string;
  boot: string;
  /** The space that the numbers are of. */
  space: string;
  /** `PID/task/TID` on Linux, else the process's number. */
  thread: string;
  /** When that thread began, in the kernel's ticks since it booted; empty where no system tells. */
  began: string;
  /** Tells this lock from all others. */
  token: string;
}

/** A folder that this thread holds. */
export class RunLock {
  readonly #beat: NodeJS.Timeout;

  private constructor(
    private readonly folder: string,
    private readonly token: string,
  ) {
    // A sign of life that fails is no reason to end a run: only other machines look at it.
    this.#beat = setInterval(() => utimes(join(folder, LOCK), new Date(), new Date()).catch(() => {}), BEAT).unref();
  }

  /**
   * Takes a folder that is there; undefined where it is not.
   * @throws RequestError `run_in_use`, `not_writable`, WorkError `disk_full`, `read_failed`
   */
  static async take(folder: string): Promise<RunLock | undefined> {
    if ((await ifThere(stat(folder), folder)) === undefined) return undefined;
    const owner = thisThread();
    const file = join(folder, LOCK);
    for (;;) {
      if (await written(file, owner)) return new RunLock(folder, owner.token);
      await removeLeft(file);
    }
  }

  /** Puts the lock into a folder that is being made and will have the name `folder`. */
  static async within(temporary: string, folder: string): Promise<RunLock> {
    const owner = thisThread();
    await written(join(temporary, LOCK), owner);
    return new RunLock(folder, owner.token);
  }

  async release(): Promise<void> {
    clearInterval(this.#beat);
    const file = join(this.folder, LOCK);
    const owner = await readOwner(file);
    if (owner?.token === this.token) await rm(file, { force: true });
  }
}

/** Writes the lock where there is none. -> whether there was none */
async function written(file: string, owner: Owner): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    await handle.writeFile(JSON.stringify(owner)).finally(() => handle.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    // An empty lock would look like one that is being written.
    await rm(file, { force: true }).catch(() => {});
    throw writeFault(error, file);
  }
}

/**
 * Takes away a lock whose owner is gone. It is moved first: of two that see the same one only one moves it, and who moved another one, written
 * in between, puts it back.
 * @throws RequestError `run_in_use`
 */
async function removeLeft(file: string): Promise<void> {
  const found = await ifThere(stat(file), file);
  const owner = await readOwner(file);
  if (found === undefined) return;
  if (isHeld(owner, Date.now() - found.mtimeMs)) throw inUse(file, owner);
  const aside = join(dirname(file), `.${LOCK}.partial-${randomBytes(4).toString('hex')}`);
  try {
    await rename(file, aside);
  } catch (error) {
    if (isAbsent(error)) return;
    throw writeFault(error, file);
  }
  const moved = await readOwner(aside);
  if (moved?.token === owner?.token) return rm(aside, { force: true });
  await rename(aside, file);
  throw inUse(file, moved);
}

function inUse(file: string, owner: Owner | undefined): RequestError {
  const who = owner === undefined ? 'another process' : `process ${owner.thread.split('/')[0]} on ${owner.host}`;
  const wait =
    'wait until it has ended (where it was killed on another machine or in another container, a minute), or choose another --out';
  return new RequestError('run_in_use', `${file} says that ${who} is at work in this folder: ${wait}`);
}

/** Whether the owner of a lock is at work. @param age milliseconds since its last sign of life */
export function isHeld(owner: Owner | undefined, age: number, here: Owner = thisThread()): boolean {
  if (owner === undefined) return age < FRESH;
  if (owner.host !== here.host) return age < FRESH;
  if (owner.boot !== here.boot) return false;
  if (owner.space !== here.space) return age < FRESH;
  return owner.began === '' ? isRunning(Number(owner.thread)) : beginOf(owner.thread) === owner.began;
}

function thisThread(): Owner {
  const thread = fact(() => readlinkSync('/proc/thread-self')) || String(process.pid);
  return {
    host: hostname(),
    boot: fact(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    space: fact(() => readlinkSync('/proc/self/ns/pid')),
    thread,
    began: beginOf(thread),
    token: randomBytes(8).toString('hex'),
  };
}

/** Field 22 of `/proc/…/stat`; the second is a name in brackets that may hold anything. */
const beginOf = (thread: string) =>
  fact(() => (readFileSync(`/proc/${thread}/stat`, 'utf8').split(') ').at(-1) ?? '').split(' ')[19] ?? '');

/** What the system tells, or nothing where it has no such file. */
function fact(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** Undefined where the lock is gone, or holds nothing that a lock holds. */
async function readOwner(file: string): Promise<Owner | undefined> {
  const text = await ifThere(readFile(file, 'utf8'), file);
  try {
    const owner = JSON.parse(text ?? '') as Partial<Owner>;
    const fields = [owner.host, owner.boot, owner.space, owner.thread, owner.began, owner.token];
    return fields.every((field) => typeof field === 'string') ? (owner as Owner) : undefined;
  } catch {
    return undefined;
  }
}
