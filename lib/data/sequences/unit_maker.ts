/** Makes the units of a data set, and keeps watch over what only all of them together tell. */
import { DataError } from '../../errors/index.js';
import type { UnitRow } from '../text/unit_rows.js';
import type { Example, Tokens, Unit, Warning } from '../types.js';
import type { Bundle } from './bundle.js';
import type { Overlong, Piece } from './cut.js';
import type { Dataset, DatasetOptions } from './dataset.js';
import { rankedPairs } from './units.js';

type Membership = Required<Pick<Tokens, 'unit' | 'member'>>;

export class UnitMaker {
  #number = 0;
  #contradicted = 0;

  constructor(
    private readonly dataset: Dataset,
    private readonly options: DatasetOptions,
  ) {}

  /** Answers are cut where rows are split: a piece of an answer says nothing of what comes behind. A prompt that is cut asks something else. */
  overlong({ unit }: Bundle): Overlong {
    const { overlong } = this.options;
    if (unit === undefined) return overlong;
    return unit.unit === 'prompt' || overlong === 'drop' ? 'drop' : 'truncate';
  }

  /** The unit of each of the row's sequences, which are kept. */
  make({ unit: row, examples }: Bundle): Membership[] {
    if (row === undefined) return [];
    const units = row.unit === 'thumb' ? row.labels.map((label) => this.#unit(row, { label })) : [this.#unit(row, promptOf(row, examples))];
    this.#watchScores(row);
    return examples.map((_, n) => ({ unit: (units[n] ?? units[0]) as Unit, member: units.length > 1 ? 0 : n }));
  }

  /** Answers that differ behind the cut alone have nothing to teach. */
  fault({ unit: row }: Bundle, pieces: readonly Piece[][]): 'equal_when_cut' | undefined {
    if (row?.unit !== 'pair' && row?.unit !== 'ranking') return undefined;
    const same = rankedPairs(row.ranks).some(([a, b]) => isSame(pieces[a]?.[0]?.ids, pieces[b]?.[0]?.ids));
    return same ? 'equal_when_cut' : undefined;
  }

  /** @throws DataError `one_kind` where all thumbs point the same way */
  finish(): void {
    const { up = 0, down = 0 } = this.dataset.counts.units ?? {};
    const contradicted = this.#contradicted;
    if (contradicted > 0) this.dataset.warnings.push(contradiction(contradicted));
    if (this.options.oneKind === 'keep' || up + down === 0 || (up > 0 && down > 0)) return;
    const { method = 'the method' } = this.options.accepts ?? {};
    const all = up + down === 1 ? 'the only thumb has' : `all ${up + down} thumbs have`;
    const message = `${all} label ${up > 0}; ${method} learns from both: answers with label true and answers with label false`;
    throw new DataError('one_kind', message, { file: this.dataset.mappings[0]?.file ?? '' });
  }

  #unit({ unit: kind, ranks, margin, columns }: UnitRow, own: Pick<Unit, 'label' | 'prompt'>): Unit {
    const pairs = rankedPairs(ranks).length;
    const rows = kind === 'ranking' && this.options.rankings !== 'whole' ? pairs : 1;
    this.#count(NAMES[kind] ?? (own.label === true ? 'up' : 'down'), 1);
    if (kind === 'ranking') this.#count('pairs', pairs);
    return { kind, number: this.#number++, rows, ranks, margin, columns, ...own };
  }

  #count(name: string, more: number): void {
    const { counts } = this.dataset;
    counts.units = { ...counts.units, [name]: (counts.units?.[name] ?? 0) + more };
  }

  #watchScores({ columns: { score_chosen: better, score_rejected: worse }, unit }: UnitRow): void {
    if (unit === 'pair' && typeof better === 'number' && typeof worse === 'number' && better < worse) this.#contradicted++;
  }
}

const promptOf = ({ unit }: UnitRow, [example]: readonly Example[]): Pick<Unit, 'prompt'> =>
  unit === 'prompt' ? { prompt: example?.segments.map(({ text }) => text).join('') ?? '' } : {};

/** Names in `counts.units`; thumbs are counted as up and down. */
const NAMES: Partial<Record<Unit['kind'], string>> = { pair: 'pairs', ranking: 'rankings', prompt: 'prompts' };

const contradiction = (count: number): Warning => ({
  code: 'scores_contradict',
  message: `${count} ${count === 1 ? 'pair has' : 'pairs have'} a score_chosen below score_rejected; they are trained as their names say`,
});

const isSame = (a: Int32Array | undefined, b: Int32Array | undefined) =>
  a?.length === b?.length && a?.every((id, i) => id === b?.[i]) === true;
