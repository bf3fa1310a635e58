/** A chat template as transformers renders it: Jinja2 with trim_blocks, lstrip_blocks, loop controls, and a few functions of its own. */
import { DataError } from '../../errors/index.js';
import type { TurnMarks } from '../turns.js';
import { strftime } from './dates.js';
import { PythonInterpreter } from './interpreter.js';
import { Environment, type Node, parse, type Value } from './library.js';
import { toValue } from './values.js';

/** A template that says no to a conversation, by `raise_exception`. */
class Refusal extends Error {}

const compiled = new Map<string, Node>();
/** More templates than any process uses side by side. */
const KEPT = 32;

/**
 * Renders a template.
 * @param now the time that `strftime_now` tells
 * @throws DataError `bad_template` (it cannot be parsed, or fails) or `refused_chat` (it raises an exception of its own)
 */
export function renderTemplate(source: string, variables: Readonly<Record<string, unknown>>, now = new Date(), marks?: TurnMarks): string {
  try {
    const program = compile(source);
    const environment = new Environment();
    const interpreter = new PythonInterpreter(environment);
    for (const [name, value] of Object.entries({ ...globals(now), ...variables })) {
      const set = environment.setVariable(name, toValue(value));
      if (name === 'messages' && marks) interpreter.marked = { ...marks, messages: set.value as Value[] };
    }
    return String(interpreter.run(program).value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    if (cause instanceof Refusal) throw new DataError('refused_chat', `the chat template refuses the conversation: ${why}`, { cause });
    throw new DataError('bad_template', `the chat template fails: ${why}`, { cause });
  }
}

function compile(source: string): Node {
  const before = compiled.get(source);
  if (before) return before;
  const lines = source.replace(/\r\n?/g, '\n'); // Jinja2 reads every line end as \n
  const program = parse(lines);
  printing(program);
  if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value!);
  compiled.set(source, program);
  return program;
}

const STATEMENTS = new Set([
  'Set',
  'If',
  'For',
  'Macro',
  'CallStatement',
  'FilterStatement',
  'Comment',
  'Break',
  'Continue',
  'StringLiteral',
]);

/** Marks the expressions that are printed: Python prints `None` and `True`, the library nothing and `true`. */
function printing(node: unknown): void {
  if (node === null || typeof node !== 'object') return;
  for (const [name, value] of Object.entries(node)) {
    if (Array.isArray(value) && ['body', 'alternate', 'defaultBlock'].includes(name))
      value.forEach((one: Node, i) => {
        printing(one);
        if (!STATEMENTS.has(one.type)) value[i] = { type: 'Print', expression: one };
      });
  }
}

const globals = (now: Date) => ({
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range: (...bounds: number[]) => range(bounds.length > 1 ? bounds : [0, bounds[0] ?? 0]),
  strftime_now: (format: string) => strftime(now, format),
  raise_exception: (message: string) => {
    throw new Refusal(message);
  },
});

function range([start = 0, stop = 0, step = 1]: number[]): number[] {
  if (step === 0) throw new Error('range() arg 3 must not be zero');
  return Array.from({ length: Math.max(Math.ceil((stop - start) / step), 0) }, (_, i) => start + i * step);
}
