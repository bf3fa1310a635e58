/** What is seen in rows that is no fault, counted by file and name: one warning for all rows alike. */
import type { Origin, RemarkCode, Warning } from '../types.js';

/** What can be remarked, by its code: the words around the name and the number of rows. */
const WORDS: Record<RemarkCode, (name: string, rows: string) => string> = {
  repeated_key: (name, rows) => `the key ${name} stands twice in one object in ${rows}; the last value counts, as in Python`,
  unused_column: (name, rows) => `the column ${name} is not used in ${rows}`,
  unused_key: (name, rows) => `${name} is not used in ${rows}`,
  unrendered_answer: (name, rows) => `${name} in ${rows} is not in the text, and is not trained`,
  unknown_role: (name, rows) =>
    `the role ${name} in ${rows} is not known: it goes to the chat template as it stands, and is not trained; roles: { ${name}: … } in the recipe says what it is`,
};

interface Remark {
  code: RemarkCode;
  name: string;
  why: string;
  file: string;
  first: number;
  last: number;
  rows: number;
}

export class Remarks {
  readonly #found = new Map<string, Remark>();

  /** Counts a row once for each code and name. `why` ends the sentence where more is to be said. */
  note(code: RemarkCode, name: string, { file, line }: Origin, why = ''): void {
    const key = JSON.stringify([file, code, name]);
    const found = this.#found.get(key);
    if (found === undefined) this.#found.set(key, { code, name, why, file, first: line, last: line, rows: 1 });
    else if (found.last !== line) {
      found.last = line;
      found.rows++;
    }
  }

  /** Takes a remark back. */
  forget(code: RemarkCode, name: string, file: string): void {
    this.#found.delete(JSON.stringify([file, code, name]));
  }

  warnings(): Warning[] {
    return [...this.#found.values()].map(({ code, name, why, file, first, rows }) => {
      const where = rows === 1 ? `the row of line ${first}` : `${rows} rows, the first in line ${first}`;
      return { code, message: `${file}: ${WORDS[code](name, where)}${why === '' ? '' : `: ${why}`}` };
    });
  }
}
