/** Records of delimited text (RFC 4180), found in it piece by piece. A quote within a field that does not begin with one is text. */

export interface TableRecord {
  fields: string[];
  /** Line that it begins on, from 1. A line ends with LF, CRLF or CR alone. */
  line: number;
}

/** What is wrong, and the line of it. */
export class TableFault extends Error {
  constructor(
    message: string,
    readonly line: number,
  ) {
    super(message);
  }
}

/** `start`: of a field. `closed`: behind the quote that ends one. */
type State = 'start' | 'plain' | 'quoted' | 'closed';

export class Records {
  readonly #plain: RegExp;
  #state: State = 'start';
  #field = '';
  #fields: string[] = [];
  #line = 1;
  /** Lines on which the record and its open quote began. */
  #recordLine = 1;
  #quoteLine = 1;

  /** @param isLoose text behind a closing quote makes the quotes text as well, as files of tabs have it; else it is a fault */
  constructor(
    private readonly delimiter: ',' | '\t',
    private readonly isLoose: boolean,
  ) {
    this.#plain = new RegExp(`[^${delimiter}\\r\\n]*`, 'y');
  }

  /** The records that end in `text`, which goes on where the last one stopped, and does not end between CR and LF. @throws TableFault */
  *add(text: string): Generator<TableRecord> {
    let at = 0;
    while (at < text.length) {
      if (this.#state === 'quoted') {
        at = this.#quoted(text, at);
        continue;
      }
      const character = text[at] as string;
      if (character === this.delimiter) this.#endField();
      else if (character === '\n' || character === '\r') {
        if (character === '\r' && text[at + 1] === '\n') at++;
        const record = this.#endRecord();
        if (record !== undefined) yield record;
      } else {
        at = this.#text(text, at, character);
        continue;
      }
      at++;
    }
  }

  /** The last record, where no line end follows it. @throws TableFault */
  *end(): Generator<TableRecord> {
    if (this.#state === 'quoted') throw new TableFault('a quote is opened here and never closed', this.#quoteLine);
    const record = this.#endRecord();
    if (record !== undefined) yield record;
  }

  /** A field's text outside of quotes, or the quote that opens one. -> where it ends */
  #text(text: string, at: number, character: string): number {
    if (this.#state === 'start' && character === '"') {
      this.#state = 'quoted';
      this.#quoteLine = this.#line;
      return at + 1;
    }
    this.#plain.lastIndex = at;
    const plain = this.#plain.exec(text)?.[0] ?? '';
    if (this.#state === 'closed') {
      if (!this.isLoose) throw new TableFault(behindQuote(plain), this.#line);
      this.#field = `"${this.#field}"`;
    }
    this.#field += plain;
    this.#state = 'plain';
    return at + plain.length;
  }

  /** Text up to the quote that closes the field, or to the end. Two quotes stand for one. */
  #quoted(text: string, at: number): number {
    const found = text.indexOf('"', at);
    const end = found < 0 ? text.length : found;
    const part = text.slice(at, end);
    this.#field += part;
    this.#line += lineEnds(part);
    if (found < 0) return end;
    if (text[end + 1] === '"') {
      this.#field += '"';
      return end + 2;
    }
    this.#state = 'closed';
    return end + 1;
  }

  #endField(): void {
    this.#fields.push(this.#field);
    this.#field = '';
    this.#state = 'start';
  }

  /** The record that ends here; undefined for an empty line. */
  #endRecord(): TableRecord | undefined {
    const isEmpty = this.#fields.length === 0 && this.#state === 'start';
    this.#endField();
    const record = { fields: this.#fields, line: this.#recordLine };
    this.#fields = [];
    this.#recordLine = ++this.#line;
    return isEmpty ? undefined : record;
  }
}

const behindQuote = (text: string) =>
  `text stands behind the quote that closes a field: ${JSON.stringify(text.slice(0, 40))}; within a field in quotes a quote is written twice, ""`;

const lineEnds = (text: string) => text.match(/\r\n|\n|\r/g)?.length ?? 0;
