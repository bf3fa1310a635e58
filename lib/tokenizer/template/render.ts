/** A chat template as transformers renders it: Jinja2 with trim_blocks, lstrip_blocks, loop controls, and a few functions of its own. */
import { DataError } from '../../errors/index.js';
import type { TurnMarks } from '../turns.js';
import { globals, Refusal } from './globals.js';
import { Interpreter } from './interpreter.js';
import type { Statement } from './nodes.js';
import { parse } from './parser.js';
import { TemplateFault, toValue } from './values.js';

const compiled = new Map<string, Statement[]>();
/** More templates than any process uses side by side. */
const KEPT = 32;
/** Templates of the field have up to a hundred thousand characters. */
const LONGEST = 1 << 22;

/**
 * Renders a template.
 * @param now the time that `strftime_now` tells
 * @param marks printed around the rounds of loops whose item is a message
 * @throws DataError `bad_template` (it cannot be parsed, fails, or never ends) or `refused_chat` (it raises an exception of its own)
 */
export function renderTemplate(source: string, variables: Readonly<Record<string, unknown>>, now = new Date(), marks?: TurnMarks): string {
  try {
    const program = compile(source);
    const given = Object.entries(variables).filter(([, value]) => value !== undefined);
    const values = new Map([...globals(now), ...given.map(([name, value]) => [name, toValue(value)] as const)]);
    return new Interpreter(values, marks).run(program);
  } catch (cause) {
    if (cause instanceof Refusal)
      throw new DataError('refused_chat', `the chat template refuses the conversation: ${cause.message}`, { cause });
    throw new DataError('bad_template', `the chat template fails: ${faultOf(cause)}`, { cause });
  }
}

/** What happened, in words: what JavaScript itself says is of no use to whoever wrote the template. */
function faultOf(cause: unknown): string {
  if (cause instanceof TemplateFault) return cause.message;
  if (cause instanceof RangeError) return 'it nests deeper, or makes more, than can be held';
  return 'a value cannot be worked out';
}

function compile(source: string): Statement[] {
  const before = compiled.get(source);
  if (before) return before;
  if (source.length > LONGEST) throw new TemplateFault(`it has ${source.length} characters; at most ${LONGEST} are read`);
  const program = parse(source);
  if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value!);
  compiled.set(source, program);
  return program;
}
