/** The output folder of a run: recipe.yaml, manifest.json, metrics.jsonl, report.json. It appears with the first step, not before. */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWhole, removePartial, writeFault, writeWhole } from '../checkpoint/files.js';
import type { TrainingEvent } from './events.js';

const METRICS = 'metrics.jsonl';

export interface FirstFiles {
  /** The resolved recipe as YAML. */
  recipe: string;
  manifest: object;
}

/** Writes a run's files. Events told before the folder is there are kept until it is. */
export class RunFolder {
  #metrics: FileHandle | undefined;
  #waiting: string[] = [];

  constructor(readonly path: string) {}

  /** Makes the folder, whole, with what is known before the first step. */
  async create({ recipe, manifest }: FirstFiles): Promise<void> {
    await folderWhole(this.path, async (folder) => {
      await writeWhole(join(folder, 'recipe.yaml'), recipe);
      await writeWhole(join(folder, 'manifest.json'), json(manifest));
      await writeWhole(join(folder, METRICS), '');
    });
    await this.#open();
  }

  /** Goes on with a folder after the checkpoint of `step`: what metrics.jsonl tells of later steps is cut off, as they are taken again. */
  async reopen(step: number): Promise<void> {
    await removePartial(this.path);
    const path = join(this.path, METRICS);
    const text = await readFile(path, 'utf8').catch(() => '');
    const kept = text.split('\n').filter((line) => isUpTo(line, step));
    await writeWhole(path, kept.map((line) => `${line}\n`).join(''));
    this.#waiting = [];
    await this.#open();
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

  /** Forces what was told to the disk. */
  async sync(): Promise<void> {
    await this.#metrics?.sync().catch((error) => Promise.reject(writeFault(error, this.path)));
  }

  async report(report: object): Promise<void> {
    await writeWhole(join(this.path, 'report.json'), json(report));
  }

  async close(): Promise<void> {
    await this.#metrics?.close();
    this.#metrics = undefined;
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

/** A whole line of an event that the checkpoint of `step` has behind it. */
function isUpTo(line: string, step: number): boolean {
  try {
    const event = JSON.parse(line) as TrainingEvent;
    return event.event !== 'done' && (!('step' in event) || (event.step ?? 0) <= step);
  } catch {
    return false;
  }
}
