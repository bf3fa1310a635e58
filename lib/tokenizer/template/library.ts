/**
 * What is used of @huggingface/jinja 0.5.11, with types: its own declarations import their neighbours without an ending, which
 * TypeScript's nodenext cannot follow.
 */
import * as jinja from '@huggingface/jinja';

/** A value at run time: `type` is `StringValue`, `ArrayValue`, …; `value` what JavaScript would hold. */
export interface Value {
  type: string;
  value: unknown;
  __bool__(): { value: boolean };
  toString(): string;
}

/** A statement or expression of a parsed template, with whatever its type has. */
export interface Node {
  type: string;
  [property: string]: unknown;
}

/** Names and their values; a scope inside another one sees its names. */
export interface Scope {
  /** Declares a name with a JavaScript value. */
  set(name: string, value: unknown): Value;
  setVariable(name: string, value: Value): Value;
  readonly tests: ReadonlyMap<string, (...values: Value[]) => boolean>;
}

interface LibraryInterpreter {
  evaluate(node: Node | undefined, scope: Scope): Value;
  run(program: Node): Value;
}

export const Environment = jinja.Environment as unknown as new (parent?: Scope) => Scope;
export const Interpreter = jinja.Interpreter as unknown as new (scope: Scope) => LibraryInterpreter;

/** Parses a template's source. */
export function parse(source: string): Node {
  const library = jinja as unknown as { parse(tokens: unknown): Node; tokenize(source: string, options: object): unknown };
  return library.parse(library.tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
}

/** What works out the value of a node. */
export interface Evaluator {
  evaluate(node: Node | undefined, scope: Scope): Value;
  /** By the library's own rules. */
  library(node: object, scope: Scope): Value;
}
