/** The output folder of a run: recipe.yaml, manifest.json, metrics.jsonl, report.json. It appears with the first step, not before. */
import { type FileHandle, open, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, folderWhole, removePartial, removePartialOf, writeFault, writeWhole } from '../../checkpoint/files.js';
import { wholeLines, writeLines } from '../../checkpoint/lines.js';
import { checkpointsFolder } from '../../checkpoint/resume.js';
import { ifThere } from '../../errors/system.js';
import type { CheckpointEvent, DoneEvent, TrainingEvent } from '../events.js';
import { RunLock } from './lock.js';

const RECIPE = 'recipe.yaml';
const MANIFEST = 'manifest.json';
const METRICS = 'metrics.jsonl';
const REPORT = 'report.json';

export interface FirstFiles {
  /** The resolved recipe as YAML. */
  recipe: string;
  manifest: object;
}

/** Where a folder goes on. */
export interface GoOn {
  /** Of the checkpoint: what metrics.jsonl tells of later steps is cut off, as they are taken again. */
  step: number;
  /** Of that checkpoint. A process that was killed between writing it and telling it lost the event. */
  checkpoint?: CheckpointEvent;
  /** The resolved recipe, where it may have changed: a longer run, another place. */
  recipe?: string;
}

/** Whether a run has put its first files there. */
export const isBegun = (path: string): Promise<boolean> => exists(join(path, MANIFEST));

/** Whether a run has come to its end there. */
export const isReported = (path: string): Promise<boolean> => exists(join(path, REPORT));

/** Writes a run's files. Events told before the folder is there are kept until it is. */
export class RunFolder {
  #metrics: FileHandle | undefined;
  #lock: RunLock | undefined;
  #waiting: string[] = [];
  #isOwn = false;

  constructor(readonly path: string) {}

  /** Takes the folder for this process, where it is there; `close` lets it go. @throws RequestError `run_in_use` */
  async take(): Promise<void> {
    this.#lock ??= await RunLock.take(this.path);
  }

  /** Makes the folder, whole, with what is known before the first step. Where it is taken, its run begins anew in it. */
  async create(files: FirstFiles): Promise<void> {
    if (this.#lock === undefined) await this.#make(files);
    else await this.#again(files);
    await this.#open();
  }

  async #make(files: FirstFiles): Promise<void> {
    await removePartialOf(this.path);
    await folderWhole(this.path, (folder) => this.#first(folder, files));
    this.#isOwn = true;
  }

  async #first(folder: string, { recipe, manifest }: FirstFiles): Promise<void> {
    await writeWhole(join(folder, RECIPE), recipe);
    await writeWhole(join(folder, MANIFEST), json(manifest));
    await writeWhole(join(folder, METRICS), '');
    this.#lock = await RunLock.within(folder, this.path);
  }

  async #again({ recipe, manifest }: FirstFiles): Promise<void> {
    await removePartial(this.path);
    const above = checkpointsFolder(this.path);
    await rm(above, { recursive: true, force: true }).catch((error) => Promise.reject(writeFault(error, above)));
    await writeWhole(join(this.path, METRICS), '');
    await writeWhole(join(this.path, RECIPE), recipe);
    await writeWhole(join(this.path, MANIFEST), json(manifest));
  }

  /** Goes on with a folder that is taken. @throws what reading metrics.jsonl throws, with nothing written */
  async reopen({ step, checkpoint, recipe }: GoOn): Promise<void> {
    await removePartial(this.path);
    const path = join(this.path, METRICS);
    await writeLines(path, keptLines(path, step, checkpoint));
    if (recipe !== undefined) await this.#renew(recipe);
    await this.#begin();
  }

  /** Goes on with a folder that is taken, where all that metrics.jsonl held is known. */
  async reopenWith(events: AsyncIterable<TrainingEvent> | Iterable<TrainingEvent>): Promise<void> {
    await removePartial(this.path);
    await writeLines(join(this.path, METRICS), linesOf(events));
    await this.#begin();
  }

  get isOpen(): boolean {
    return this.#metrics !== undefined;
  }

  /** Adds an event to metrics.jsonl -> the event. */
  async tell<E extends TrainingEvent>(event: E): Promise<E> {
    this.#waiting.push(`${JSON.stringify(event)}\n`);
    await this.#write();
    return event;
  }

  /** The report, and then the last event: whoever finds the report finds all events on the disk, or can tell the last one again. */
  async finish(report: object, done: DoneEvent): Promise<DoneEvent> {
    await this.sync();
    await writeWhole(join(this.path, REPORT), json(report));
    await this.tell(done);
    await this.sync();
    return done;
  }

  /** Tells the last event of a run that had come to its end, where metrics.jsonl lacks it. */
  async end(step: number, done: DoneEvent): Promise<void> {
    const path = join(this.path, METRICS);
    for await (const line of wholeLines(path)) if (eventIn(line)?.event === 'done') return;
    await this.reopen({ step });
    await this.tell(done);
    await this.sync();
  }

  /** Forces what was told to the disk. */
  async sync(): Promise<void> {
    await this.#metrics?.sync().catch((error) => Promise.reject(writeFault(error, this.path)));
  }

  /**
   * Takes back a folder that this process made and that holds no checkpoint: what could not be written can then be begun again under the
   * same name. Only files that this class writes are removed, and the folder only where nothing else is in it.
   */
  async takeBack(): Promise<void> {
    const above = checkpointsFolder(this.path);
    if (!this.#isOwn || ((await ifThere(readdir(above), above)) ?? []).length > 0) return;
    await this.close();
    for (const name of [METRICS, MANIFEST, RECIPE]) await rm(join(this.path, name), { force: true });
    for (const folder of [above, this.path]) await ifThere(rmdir(folder), folder);
  }

  async close(): Promise<void> {
    await this.#metrics?.close();
    this.#metrics = undefined;
    await this.#lock?.release();
    this.#lock = undefined;
  }

  /** A run that goes on with another recipe than it ended with has no end yet. */
  async #renew(recipe: string): Promise<void> {
    const file = join(this.path, RECIPE);
    if ((await ifThere(readFile(file, 'utf8'), file)) === recipe) return;
    const report = join(this.path, REPORT);
    await rm(report, { force: true }).catch((error) => Promise.reject(writeFault(error, report)));
    await writeWhole(file, recipe);
  }

  async #begin(): Promise<void> {
    this.#waiting = [];
    await this.#open();
  }

  async #open(): Promise<void> {
    this.#metrics = await open(join(this.path, METRICS), 'a').catch((error) => Promise.reject(writeFault(error, this.path)));
    await this.#write();
  }

  async #write(): Promise<void> {
    if (this.#metrics === undefined || this.#waiting.length === 0) return;
    const lines = this.#waiting.splice(0).join('');
    await this.#metrics.appendFile(lines).catch((error) => Promise.reject(writeFault(error, join(this.path, METRICS))));
  }
}

const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`;

async function* linesOf(events: AsyncIterable<object> | Iterable<object>): AsyncGenerator<string> {
  for await (const event of events) yield JSON.stringify(event);
}

/** Whole lines of events that the checkpoint of `step` has behind it, and the event of that checkpoint. */
async function* keptLines(path: string, step: number, checkpoint?: CheckpointEvent): AsyncGenerator<string> {
  let isTold = checkpoint === undefined;
  for await (const line of wholeLines(path)) {
    const event = eventIn(line);
    if (event === undefined || event.event === 'done' || ('step' in event && (event.step ?? 0) > step)) continue;
    if (event.event === 'checkpoint' && event.step === step) isTold = true;
    yield line;
  }
  if (!isTold) yield JSON.stringify(checkpoint);
}

/** Undefined for a line that a machine that went down left behind. */
function eventIn(line: string): TrainingEvent | undefined {
  try {
    return JSON.parse(line) as TrainingEvent;
  } catch {
    return undefined;
  }
}
