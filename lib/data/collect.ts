/** Encoded rows become sequences of a data set: checked, cut, counted. */
import { createHash } from 'node:crypto';
import { DataError } from '../errors/index.js';
import type { Checks } from '../options/index.js';
import { cutRow, type Piece } from './cut.js';
import type { Dataset, DatasetOptions, Warning } from './dataset.js';
import type { Encoded } from './encode.js';
import type { SourcedExample } from './examples.js';
import type { Example } from './types.js';

const EVERY_STOP_LOST: Warning = {
  code: 'no_stop_left',
  message:
    'every answer is cut before its end token, so the model is never trained to stop: raise train.maxLength, or take overlong: split',
};

/** Takes encoded rows into a data set. */
export class Collector {
  #answers = 0;
  #stops = 0;

  constructor(
    private readonly dataset: Dataset,
    private readonly options: DatasetOptions,
  ) {}

  /** Adds what is only known of all rows together. */
  finish(): void {
    if (this.#answers > 0 && this.#stops === 0) this.dataset.warnings.push(EVERY_STOP_LOST);
  }

  /** Checks, cuts and counts one encoded row. */
  add({ example, source }: SourcedExample, { ids, trained }: Encoded): void {
    const { maxLength, overlong, checks } = this.options;
    const { counts } = this.dataset;
    counts.in++;
    const pieces = cutRow(ids, trained, maxLength, overlong);
    const reason = this.#fault(example, ids, trained, pieces);
    if (reason === undefined) this.#keep(example, source, pieces, ids.length > maxLength);
    else if (reason !== 'overlong' && checks[FAULTS[reason].key] === 'error') throw faultError(reason, example);
    else counts.dropped[reason] = (counts.dropped[reason] ?? 0) + 1;
  }

  #keep(example: Example, source: number, pieces: Piece[], tooLong: boolean): void {
    const { sequences, counts } = this.dataset;
    const { overlong, keepText = 0, tokenizer } = this.options;
    counts.kept++;
    if (tooLong) counts[overlong === 'split' ? 'split' : 'truncated']++;
    const common = { file: example.file, line: example.line, source, share: shareOf(example) };
    for (const piece of pieces) {
      sequences.push({ ...piece, ...common, ...(sequences.length < keepText ? { text: textOf(example) } : {}) });
      counts.pieces++;
      counts.tokens += piece.ids.length;
      counts.trainedTokens += piece.trainedTokens;
    }
    if (!this.#judgesStops(example)) return;
    this.#answers++;
    if (pieces.some((piece) => trainsStop(piece.ids, piece.trained, tokenizer.eos))) this.#stops++;
  }

  #judgesStops({ answers }: Example): boolean {
    return this.options.trained === 'answers' && answers;
  }

  /** Why a row is left out, by its code. Begin and end tokens are looked for in the whole row, before it is cut. */
  #fault(example: Example, ids: Int32Array, trained: Uint8Array, pieces: Piece[]): Fault | 'overlong' | undefined {
    const { checks, tokenizer } = this.options;
    const { bos, eos } = tokenizer;
    if (bos !== null && ids[0] === bos && ids[1] === bos && checks.doubleBos !== 'keep') return 'double_bos';
    if (!trained.includes(1)) return 'nothing_trained';
    if (checks.noStop !== 'keep' && this.#judgesStops(example) && !trainsStop(ids, trained, eos)) return 'no_stop';
    if (pieces.length === 0) return 'overlong';
    return pieces.every(({ trainedTokens }) => trainedTokens === 0) ? 'nothing_trained' : undefined;
  }
}

type Fault = 'double_bos' | 'nothing_trained' | 'no_stop';

const FAULTS: Record<Fault, { key: keyof Checks; message: string }> = {
  double_bos: {
    key: 'doubleBos',
    message: 'the row begins with two begin tokens: one is written in its text or template, one is added by the tokenizer',
  },
  nothing_trained: {
    key: 'nothingTrained',
    message: 'no token of the row is trained: it has no answer, or the answer lies beyond train.maxLength',
  },
  no_stop: { key: 'noStop', message: "no answer of the row ends in the tokenizer's end token, so the model would not be trained to stop" },
};

function faultError(code: Fault, { file, line }: Example): DataError {
  const { key, message } = FAULTS[code];
  return new DataError(code, `${message} (checks.${key}: drop leaves such rows out)`, { file, line });
}

/** A check that a trained token ends an answer; the flags themselves come from spans, never from ids. */
function trainsStop(ids: Int32Array, trained: Uint8Array, eos: number): boolean {
  for (let i = ids.length - 1; i > 0; i--) if (ids[i] === eos && trained[i] === 1) return true;
  return false;
}

const textOf = ({ segments }: Example) => segments.map(({ text }) => text).join('');

/** A figure in [0, 1) from the row's own words: the same row falls on the same side of a split in every run and every file. */
function shareOf({ segments }: Example): number {
  const own = segments.filter(({ field }) => field !== 'template');
  const hash = createHash('sha256');
  for (const { text } of own.length > 0 ? own : segments) hash.update(text).update('\0');
  return hash.digest().readUIntBE(0, 6) / 2 ** 48;
}
