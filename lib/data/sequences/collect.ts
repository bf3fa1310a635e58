/** Encoded rows become sequences of a data set: checked, cut, counted. */
import { DataError } from '../../errors/index.js';
import type { Example, RowTokenizer, Tokens, Warning } from '../types.js';
import type { Bundle } from './bundle.js';
import { cutRow, type Piece } from './cut.js';
import type { Dataset, DatasetOptions, RowChecks } from './dataset.js';
import { manyDropped } from './dropped.js';
import type { Encoded } from './encode.js';
import { shareOf } from './share.js';
import { UnitMaker } from './unit_maker.js';

const EVERY_STOP_LOST: Warning = {
  code: 'no_stop_left',
  message:
    'every answer is cut before its end token, so the model is never trained to stop: raise train.maxLength, or take overlong: split',
};

/** Takes encoded rows into a data set. */
export class Collector {
  #answers = 0;
  #stops = 0;
  readonly #units: UnitMaker;

  constructor(
    private readonly dataset: Dataset,
    private readonly options: DatasetOptions,
  ) {
    this.#units = new UnitMaker(dataset, options);
  }

  /** Adds what is only known of all rows together. @throws DataError `one_kind` */
  finish(): void {
    if (this.#answers > 0 && this.#stops === 0) this.dataset.warnings.push(EVERY_STOP_LOST);
    this.dataset.warnings.push(...manyDropped(this.dataset.counts));
    this.#units.finish();
  }

  /** Checks, cuts and counts one row: its sequences are kept together or not at all. */
  add(bundle: Bundle, encoded: readonly Encoded[]): void {
    const { maxLength, checks, framed, tokenizer } = this.options;
    const { counts } = this.dataset;
    counts.in++;
    const overlong = this.#units.overlong(bundle);
    const frame = framed === true ? tokenizer : undefined;
    const pieces = encoded.map(({ ids, trained }) => cutRow(ids, trained, maxLength, overlong, frame));
    const reason = this.#fault(bundle, encoded, pieces);
    if (reason === undefined) this.#keep(bundle, encoded, pieces);
    else if (reason in FAULTS && checks[FAULTS[reason as Fault].key] !== 'drop') throw faultError(reason as Fault, bundle);
    else counts.dropped[reason] = (counts.dropped[reason] ?? 0) + 1;
  }

  #keep(bundle: Bundle, encoded: readonly Encoded[], pieces: readonly Piece[][]): void {
    const { sequences, counts } = this.dataset;
    const { maxLength, overlong, keepText = 0 } = this.options;
    counts.kept++;
    if (encoded.some(({ ids }) => ids.length > maxLength)) counts[overlong === 'split' && !bundle.unit ? 'split' : 'truncated']++;
    const common = { file: bundle.file, line: bundle.line, source: bundle.source, share: shareOf(bundle) };
    const first = sequences.length;
    const units = this.#units.make(bundle);
    for (const [n, example] of bundle.examples.entries()) {
      const own = bundle.unit ? { promptLength: encoded[n]?.promptLength ?? 0, ...units[n] } : {};
      for (const piece of pieces[n] ?? []) {
        const text = (bundle.unit ? first : sequences.length) < keepText ? { text: textOf(example) } : {};
        this.#push({ ...piece, ...common, ...own, ...text });
      }
      this.#countStop(example, pieces[n] ?? []);
    }
  }

  #push(sequence: Tokens): void {
    const { sequences, counts } = this.dataset;
    const { ids, trainedTokens } = sequence;
    sequences.push(sequence);
    counts.pieces++;
    counts.tokens += ids.length;
    counts.trainedTokens += trainedTokens;
  }

  #countStop(example: Example, pieces: readonly Piece[]): void {
    if (!this.#judgesStops(example)) return;
    this.#answers++;
    if (pieces.some(({ ids, trained }) => trainsStop(ids, trained, this.options.tokenizer))) this.#stops++;
  }

  #judgesStops({ answers }: Example): boolean {
    return this.options.trained === 'answers' && answers;
  }

  /** Why a row is left out, by its code: the first fault of its sequences, then of all together. */
  #fault(bundle: Bundle, encoded: readonly Encoded[], pieces: readonly Piece[][]): string | undefined {
    if (bundle.refused !== undefined) return bundle.refused;
    if (bundle.unit?.empty !== undefined) return bundle.unit.empty;
    for (const [n, example] of bundle.examples.entries()) {
      const fault = this.#sequenceFault(example, encoded[n] as Encoded, pieces[n] ?? []);
      if (fault !== undefined) return fault;
    }
    return this.#units.fault(bundle, pieces);
  }

  /** Begin and end tokens are looked for in the whole sequence, before it is cut. */
  #sequenceFault(example: Example, { ids, trained }: Encoded, pieces: readonly Piece[]): Fault | 'overlong' | undefined {
    const { checks, tokenizer } = this.options;
    const { bos } = tokenizer;
    if (bos !== null && ids[0] === bos && ids[1] === bos && checks.doubleBos !== 'keep') return 'double_bos';
    if (example.open === true) return pieces.length === 0 ? 'overlong' : undefined;
    if (!trained.includes(1)) return 'nothing_trained';
    if (checks.noStop !== 'keep' && this.#judgesStops(example) && !trainsStop(ids, trained, tokenizer)) return 'no_stop';
    if (pieces.length === 0) return 'overlong';
    return pieces.every(({ trainedTokens }) => trainedTokens === 0) ? 'nothing_trained' : undefined;
  }
}

type Fault = 'double_bos' | 'nothing_trained' | 'no_stop' | 'equal_answers';

const FAULTS: Record<Fault, { key: keyof RowChecks; message: string }> = {
  double_bos: {
    key: 'doubleBos',
    message: 'the row begins with two begin tokens: one is written in its text or template, one is added by the tokenizer',
  },
  nothing_trained: {
    key: 'nothingTrained',
    message: 'no token of the row is trained: it has no answer, or the answer lies beyond train.maxLength',
  },
  no_stop: { key: 'noStop', message: "no answer of the row ends in the tokenizer's end token, so the model would not be trained to stop" },
  equal_answers: { key: 'equalAnswers', message: 'two answers of the row are equal, and one is said to be better than the other' },
};

function faultError(code: Fault, { file, line }: Bundle): DataError {
  const { key, message } = FAULTS[code];
  return new DataError(code, `${message} (checks.${key}: drop leaves such rows out)`, { file, line });
}

/**
 * A check that a trained token ends an answer; the flags themselves come from spans, never from ids. A special token that ends a trained
 * stretch is one with which the chat template closes an answer.
 */
function trainsStop(ids: Int32Array, trained: Uint8Array, { eos, ends = [], special }: RowTokenizer): boolean {
  for (let i = ids.length - 1; i > 0; i--) {
    if (trained[i] !== 1) continue;
    const id = ids[i]!;
    if (id === eos || ends.includes(id) || (trained[i + 1] !== 1 && special?.has(id) === true)) return true;
  }
  return false;
}

const textOf = ({ segments }: Example) => segments.map(({ text }) => text).join('');
