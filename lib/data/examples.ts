/** Rows of all sources as examples, each file's columns understood from its first row. */
import type { ErrorPlace } from '../errors/index.js';
import type { DataSource, Template } from '../options/index.js';
import { readSource } from './read.js';
import { detectMapping, type Mapping, mapRow, placeholderMapping, type Shape } from './rows.js';
import { makeExample, placeholdersOf, settledTemplate, unknownPlaceholder } from './template.js';
import type { ChatRenderer, Example, Row } from './types.js';

/** How one file was understood. */
export interface FileMapping {
  file: string;
  shape: Shape;
  /** Field → column. */
  columns: Record<string, string>;
  /** Name of the template that its rows get; `own` for one of the recipe's own, `text` where a row is one text. */
  template: string;
  rows: number;
}

/** An example and the source it came from. */
export interface SourcedExample {
  example: Example;
  source: number;
}

interface Options {
  data: readonly DataSource[];
  template: Template;
  chat?: ChatRenderer | undefined;
  place?: (key: string) => ErrorPlace;
}

/** All rows in order. Adds an entry to `mapped` for each file that is begun. */
export async function* mappedExamples(options: Options, mapped: FileMapping[]): AsyncGenerator<SourcedExample> {
  for (const [source, { path }] of options.data.entries()) {
    let current: { mapping: Mapping; template: Template | 'text'; entry: FileMapping } | undefined;
    for await (const row of readSource(path)) {
      if (current === undefined || current.entry.file !== row.file) {
        current = begin(row, options);
        mapped.push(current.entry);
      }
      current.entry.rows++;
      yield { example: makeExample(mapRow(row, current.mapping), current.template, options.chat), source };
    }
  }
}

function begin(row: Row, options: Options): { mapping: Mapping; template: Template | 'text'; entry: FileMapping } {
  const mapping = typeof options.template === 'object' ? ownMapping(row, options.template, options) : detectMapping(row);
  const template = settledTemplate(options.template, mapping.shape, options.chat !== undefined);
  const entry = { file: row.file, ...mapping, template: typeof template === 'object' ? 'own' : template, rows: 0 };
  return { mapping, template, entry };
}

function ownMapping(row: Row, template: Exclude<Template, string>, { place }: Options): Mapping {
  const { mapping, unknown } = placeholderMapping(row, placeholdersOf(template));
  const [first] = unknown;
  if (first !== undefined) throw unknownPlaceholder(first, row.file, Object.keys(row.value), place?.('template') ?? {});
  return mapping;
}

/** The mapping in words: `dolly.jsonl: instruction rows (response ← output), template dolly, 600 rows`. */
export function describeMapped({ file, shape, columns, template, rows }: FileMapping): string {
  const renamed = Object.entries(columns).filter(([field, column]) => field !== column);
  const words = renamed.length === 0 ? '' : ` (${renamed.map(([field, column]) => `${field} ← ${column}`).join(', ')})`;
  const by = template === 'text' ? '' : `, template ${template}`;
  return `${file}: ${rows} ${rows === 1 ? 'row' : 'rows'} of ${shape === 'columns' ? 'own columns' : shape}${words}${by}`;
}
