/** What a row came to on its way to tokens, and how its file was understood. */
import type { Kind } from '../rows/kinds.js';
import type { Shape } from '../rows/mapping.js';
import type { UnitRow } from '../text/unit_rows.js';
import type { Example, Origin } from '../types.js';

/** How one file was understood. */
export interface FileMapping {
  file: string;
  kind: Kind;
  /** Of the row, or of its prompt. */
  shape: Shape;
  /** Field → column. */
  columns: Record<string, string>;
  /** Name of the template that its rows get; `own` for one of the recipe's own, `text` where a row is one text. */
  template: string;
  rows: number;
}

/** A row as examples, one for each sequence that it makes, and the source it came from. */
export interface Bundle extends Origin {
  examples: Example[];
  source: number;
  /** The row itself, where it is of a kind other than `rows`. */
  unit?: UnitRow;
  /** Why it makes no examples, where it makes none: a reason that rows are counted by. */
  refused?: 'refused_chat';
}
