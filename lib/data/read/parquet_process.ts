/** A process that reads one Parquet file, ended when it gets no further. */
import { createRequire } from 'node:module';
import { DataError } from '../../errors/index.js';
import { type NoAnswer, Program } from '../../processes/start.js';
import { footerFault, pagesFault, rowsOf } from './parquet_bounds.js';
import { PARQUET_READER, type ParquetAnswer, type ParquetGroup, type ParquetNode, type ParquetRequest } from './parquet_reader.js';

/** Seconds that one answer may take, and further seconds for each MiB of the file: many times what the slowest machine needs. */
const SECONDS = 10;
const SECONDS_A_MIB = 1;

/** Paths of the libraries that the reader takes, in the order in which it does. */
export const PARQUET_LIBRARIES = ['hyparquet', 'hyparquet/src/column.js', 'hyparquet-compressors'].map((name) =>
  createRequire(import.meta.url).resolve(name),
);

export class ParquetProcess {
  readonly #program: Program<ParquetRequest, ParquetAnswer>;
  readonly #seconds: number;
  #groups: readonly ParquetGroup[] = [];
  /** Row groups whose pages are checked, and the row that the next one begins with. */
  #checked = 0;
  #begin = 0;

  /**
   * @param size of the file in bytes
   * @param most bytes of memory that reading it may take; default: a share of what is free
   */
  constructor(
    private readonly file: string,
    private readonly size: number,
    seconds = SECONDS,
    most?: number,
  ) {
    this.#seconds = seconds + (SECONDS_A_MIB * size) / 2 ** 20;
    this.#program = new Program(PARQUET_READER, PARQUET_LIBRARIES, most);
  }

  /** @throws DataError `bad_parquet`, `missing_data`, `unreadable_data` */
  async open(source: { file: string } | { bytes: Uint8Array }): Promise<{ rows: number; tree: ParquetNode }> {
    const answer = await this.#asked(source);
    if (!('tree' in answer)) throw this.#fault('its reader answered nothing');
    const { rows, tree, groups } = answer;
    this.#refuse(footerFault(rows, groups, tree, this.size));
    this.#groups = groups;
    return { rows: rowsOf(groups), tree };
  }

  /** Rows from one place to another (excluded), as they are stored. @throws DataError `bad_parquet` */
  async read(from: number, to: number): Promise<Record<string, unknown>[]> {
    await this.#checkGroups(to);
    const answer = await this.#asked({ from, to });
    if ('values' in answer) return answer.values;
    throw this.#fault('its reader answered nothing');
  }

  /** Holds the pages of row groups that begin before row `to` against the file. */
  async #checkGroups(to: number): Promise<void> {
    for (let next = this.#groups[this.#checked]; next !== undefined && this.#begin < to; next = this.#groups[this.#checked]) {
      const answer = await this.#asked({ group: this.#checked });
      const pages = 'pages' in answer ? answer.pages : [];
      for (const [n, column] of next.columns.entries()) this.#refuse(pagesFault(column, pages[n] ?? []));
      this.#begin += next.rows;
      this.#checked++;
    }
  }

  #refuse(why: string | undefined): void {
    if (why !== undefined) throw this.#fault(why);
  }

  close(): void {
    this.#program.close();
  }

  async #asked(request: ParquetRequest): Promise<ParquetAnswer> {
    const answer = await this.#program.ask(request, this.#seconds).catch(({ message }: NoAnswer) => {
      throw this.#fault(
        `its reader has a process of its own, and ${message}; it is damaged, or a row group is larger than the memory there is`,
      );
    });
    if ('thrown' in answer) throw this.#thrown(answer);
    return answer;
  }

  #thrown({ thrown, code }: { thrown: string; code?: string }): DataError {
    if (code === 'ENOENT') return new DataError('missing_data', 'no such file', { file: this.file });
    if (code === 'EACCES' || code === 'EISDIR') return new DataError('unreadable_data', `cannot be read: ${thrown}`, { file: this.file });
    return this.#fault(thrown.replace(/\s+/g, ' ').slice(0, 200));
  }

  #fault(why: string): DataError {
    return new DataError('bad_parquet', `not a valid Parquet file: ${why}`, { file: this.file });
  }
}
