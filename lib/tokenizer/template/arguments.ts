/** Arguments of functions, methods and filters, bound to the names of their parameters as Python binds them. */

import { wholeOf } from './operators.js';
import { type Named, numberOf, str, TemplateFault, textOf, typeName, type Value } from './values.js';

export class Bound {
  constructor(
    private readonly owner: string,
    private readonly values: ReadonlyMap<string, Value>,
  ) {}

  has(name: string): boolean {
    return this.values.has(name);
  }

  value(name: string, otherwise?: Value): Value {
    const value = this.values.has(name) ? this.values.get(name) : otherwise;
    if (value === undefined) throw new TemplateFault(`${this.owner}() missing the argument '${name}'`);
    return value;
  }

  text(name: string, otherwise?: string): string {
    const value = this.value(name, otherwise);
    const text = textOf(value);
    if (text === undefined) throw new TemplateFault(`${this.owner}(): ${name} must be str, not ${typeName(value)}`);
    return text;
  }

  /** As text, whatever it is: filters soften their arguments. */
  shown(name: string, otherwise?: string): string {
    return str(this.value(name, otherwise));
  }

  whole(name: string, otherwise?: number): number {
    return wholeOf(this.value(name, otherwise));
  }

  number(name: string, otherwise?: number): number {
    const number = numberOf(this.value(name, otherwise));
    if (number === undefined) throw new TemplateFault(`${this.owner}(): ${name} must be a number`);
    return Number(number);
  }
}

/** @param names of the parameters, in order */
export function bind(owner: string, names: readonly string[], args: readonly Value[], named: Named = new Map()): Bound {
  if (args.length > names.length) throw new TemplateFault(`${owner}() takes at most ${names.length} arguments, ${args.length} were given`);
  const values = new Map<string, Value>(args.map((value, i) => [names[i]!, value]));
  for (const [name, value] of named) {
    if (!names.includes(name)) throw new TemplateFault(`${owner}() got an unexpected keyword argument '${name}'`);
    if (values.has(name)) throw new TemplateFault(`${owner}() got multiple values for argument '${name}'`);
    values.set(name, value);
  }
  return new Bound(owner, values);
}
