/** Rows of all sources as examples, each file's columns understood from its first row. */
import { DataError, type ErrorPlace } from '../../errors/index.js';
import type { DataSource, Template } from '../../options/index.js';
import { readSource } from '../read/read.js';
import { KeyWatch } from '../rows/chat_keys.js';
import { type Accepts, ROWS_ALONE } from '../rows/kinds.js';
import { detectMapping, type Mapping, type Shape } from '../rows/mapping.js';
import { Remarks } from '../rows/remarks.js';
import type { RoleMap } from '../rows/roles.js';
import { mapRow } from '../rows/rows.js';
import { ownMapping } from '../text/own_template.js';
import { makeExample, settledTemplate } from '../text/template.js';
import { unitExamples } from '../text/unit_examples.js';
import { mapUnit } from '../text/unit_rows.js';
import { unusedColumns } from '../text/unused_columns.js';
import type { ChatRenderer, Row, RowRules, Warning } from '../types.js';
import type { Bundle, FileMapping } from './bundle.js';
import type { Dataset, RowChecks } from './dataset.js';

interface Options {
  data: readonly DataSource[];
  template: Template;
  accepts?: Accepts | undefined;
  chat?: ChatRenderer | undefined;
  roles?: RoleMap | undefined;
  checks?: Pick<RowChecks, 'refusedChat'>;
  place?: (key: string) => ErrorPlace;
}

interface FileRules {
  mapping: Mapping;
  template: Template | 'text';
  entry: FileMapping;
  /** What a row of the file is given to be understood by. */
  rules: RowRules;
}

/** All rows in order. Tells `noted` how each file that is begun was understood. */
export async function* mappedExamples(options: Options, noted: Pick<Dataset, 'mappings' | 'warnings'>): AsyncGenerator<Bundle> {
  const remarks = new Remarks();
  for (const [source, { path }] of options.data.entries()) {
    let current: FileRules | undefined;
    const leftOut = new Set<string>();
    for await (const row of readSource(path, leftOut)) {
      if (current === undefined || current.entry.file !== row.file) {
        current = begin(row, options, remarks);
        noted.mappings.push(current.entry);
        if (current.mapping.kind === 'rows' && hasThumb(row)) noted.warnings.push(unreadLabel(row));
      }
      current.entry.rows++;
      remarkOn(row, current, options);
      yield orRefused({ ...row, rules: current.rules }, source, current, options);
    }
    if (leftOut.size > 0) noted.warnings.push(runsLeftOut(path, leftOut));
  }
  noted.warnings.push(...remarks.warnings());
}

/** The row as a bundle. One that the chat template refuses is an empty one, where the recipe says so. */
function orRefused(row: Row, source: number, rules: FileRules, options: Options): Bundle {
  try {
    return bundle(row, source, rules, options);
  } catch (error) {
    const isRefused = error instanceof DataError && error.code === 'refused_chat';
    if (!isRefused || options.checks?.refusedChat !== 'drop') throw error;
    return { file: row.file, line: row.line, source, examples: [], refused: 'refused_chat' };
  }
}

function remarkOn(row: Row, { mapping, rules }: FileRules, { template }: Options): void {
  for (const key of row.repeated ?? []) rules.note('repeated_key', key, row);
  const own = typeof template === 'object' ? template : undefined;
  for (const name of unusedColumns(row, { mapping, isChat: rules.isChat, own })) rules.note('unused_column', name, row);
}

function bundle(row: Row, source: number, { mapping, template }: FileRules, { chat, accepts = ROWS_ALONE }: Options): Bundle {
  const common = { file: row.file, line: row.line, source };
  if (mapping.kind === 'rows') return { ...common, examples: [makeExample(mapRow(row, mapping), template, chat)] };
  const own = typeof template === 'object' ? template : undefined;
  const unit = mapUnit(row, mapping, { apart: accepts.kinds.includes('thumbs'), own });
  return { ...common, unit, examples: unit.empty === undefined ? unitExamples(unit, template, chat) : [] };
}

const runsLeftOut = (pattern: string, folders: ReadonlySet<string>): Warning => ({
  code: 'runs_left_out',
  message: `${pattern}: folders of runs are left out: ${[...folders].sort().join(', ')}; name one in the path to read what it sampled`,
});

const hasThumb = ({ value }: Row) => typeof value.label === 'boolean' || typeof value.kto_tag === 'boolean';

const unreadLabel = ({ file }: Row): Warning => ({
  code: 'label_unread',
  message: `${file}: the rows have a label (true or false) that this method does not read: answers labelled false are trained like the others`,
});

function begin(row: Row, options: Options, remarks: Remarks): FileRules {
  const { accepts = ROWS_ALONE, place } = options;
  const own = typeof options.template === 'object' ? options.template : undefined;
  const mapping = own === undefined ? detectMapping(row, accepts) : ownMapping(row, own, accepts, place?.('template') ?? {});
  const template = settledTemplate(options.template, mapping.shape, options.chat !== undefined);
  const { kind, shape, columns, answers } = mapping;
  const name = typeof template === 'object' ? 'own' : template;
  const keys = new KeyWatch(remarks);
  const rules: RowRules = {
    roles: options.roles ?? {},
    isChat: template === 'chat',
    note: (...remark) => remarks.note(...remark),
    rendered: (...chat) => keys.watch(...chat),
  };
  return { mapping, template, rules, entry: { file: row.file, kind, shape, columns: { ...columns, ...answers }, template: name, rows: 0 } };
}

const PROMPTS: Partial<Record<Shape, string>> = {
  instruction: 'prompt from instruction',
  messages: 'prompt of messages',
  conversations: 'prompt of conversations',
  common: 'prompt is what both begin with',
};

/** The mapping in words: `dolly.jsonl: instruction rows (response ← output), template dolly, 600 rows`. */
export function describeMapped({ file, kind, shape, columns, template, rows }: FileMapping): string {
  const renamed = Object.entries(columns).filter(([field, column]) => field !== column);
  const notes = [kind === 'rows' ? undefined : PROMPTS[shape], ...renamed.map(([field, column]) => `${field} ← ${column}`)].filter(Boolean);
  const words = notes.length === 0 ? '' : ` (${notes.join(', ')})`;
  const by = template === 'text' ? '' : `, template ${template}`;
  const what = kind !== 'rows' ? kind : shape === 'columns' ? 'own columns' : shape;
  return `${file}: ${rows} ${rows === 1 ? 'row' : 'rows'} of ${what}${words}${by}`;
}
