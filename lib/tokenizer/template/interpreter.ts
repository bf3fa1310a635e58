/**
 * The interpreter of @huggingface/jinja 0.5.11 with the faults repaired in which it differs from Jinja2 as transformers sets it up.
 * Everything goes through `evaluate`, which is public; whatever is not named here is left to the library.
 */
import type { TurnMarks } from '../turns.js';
import { applyFilter } from './filters.js';
import { Environment, type Evaluator, Interpreter, type Node, type Scope, type Value } from './library.js';
import { bind, LoopSignal, loopState, signal } from './loops.js';
import { includes, joined, METHODS } from './strings.js';
import { equals, flag, isList, isMapping, isText, isUndefined, itemsOf, known, str, text, typeName } from './values.js';

type Rule = (node: Node, scope: Scope) => Value | undefined;

export class PythonInterpreter extends Interpreter implements Evaluator {
  readonly #rules: Record<string, Rule> = {
    Known: ({ value }) => value as Value,
    Print: (node, scope) => text(str(this.evaluate(node.expression as Node, scope))),
    Program: (node, scope) => text(this.block(node.body as Node[], scope)),
    If: (node, scope) => this.#if(node, scope),
    For: (node, scope) => this.#for(node, scope),
    Break: () => signal(true),
    Continue: () => signal(false),
    BinaryExpression: (node, scope) => this.#binary(node, scope),
    CallExpression: (node, scope) => this.#call(node, scope),
    MemberExpression: (node, scope) => this.#member(node, scope),
    FilterExpression: (node, scope) => applyFilter(this, node, scope),
    TestExpression: (node, scope) => this.#test(node, scope),
  };

  #indices: Map<Value, number> | undefined;
  marked: (TurnMarks & { messages: Value[] }) | undefined;

  #around(item: Value): [string, string] {
    const { messages, opens, ends, closes } = this.marked ?? {};
    this.#indices ??= new Map(messages?.map((message, i) => [message, i]));
    const index = this.#indices.get(item);
    return index === undefined ? ['', ''] : [`${opens}${index}${ends}`, closes!];
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    const rule = node && this.#rules[node.type];
    return rule?.(node as Node, scope) ?? super.evaluate(node, scope);
  }

  library(node: object, scope: Scope): Value {
    return super.evaluate(node as Node, scope);
  }

  /** What a list of statements prints. */
  block(statements: readonly Node[], scope: Scope): string {
    let printed = '';
    try {
      for (const statement of statements) {
        const value = this.evaluate(statement, scope);
        if (value.type !== 'NullValue' && value.type !== 'UndefinedValue') printed += str(value);
      }
    } catch (thrown) {
      if (thrown instanceof LoopSignal) thrown.printed = printed + thrown.printed;
      throw thrown;
    }
    return printed;
  }

  #if({ test, body, alternate }: Node, scope: Scope): Value {
    const holds = this.evaluate(test as Node, scope).__bool__().value;
    return text(this.block((holds ? body : alternate) as Node[], scope));
  }

  /** A loop whose rounds have a scope each (what one sets, the next does not see), over strings and undefined names as well. */
  #for(node: Node, scope: Scope): Value {
    const { loopvar, body, defaultBlock } = node as Node & { loopvar: Node; body: Node[]; defaultBlock: Node[] };
    const items = this.#looped(node, loopvar, scope);
    if (items.length === 0) return text(this.block(defaultBlock, scope));
    let printed = '';
    for (let i = 0; i < items.length; i++) {
      const inner = new Environment(scope);
      inner.setVariable('loop', loopState(items, i));
      bind(inner, loopvar, items[i]!);
      const [before, behind] = this.#around(items[i]!);
      try {
        printed += before + this.block(body, inner) + behind;
      } catch (thrown) {
        if (!(thrown instanceof LoopSignal)) throw thrown;
        printed += before + thrown.printed + behind;
        if (thrown.breaks) break;
      }
    }
    return text(printed);
  }

  /** The items that a loop goes through: those that its `if` lets pass. */
  #looped({ iterable }: Node, loopvar: Node, scope: Scope): Value[] {
    const { type, lhs, test } = iterable as Node;
    const chosen = type === 'SelectExpression';
    const value = this.evaluate((chosen ? lhs : iterable) as Node, scope);
    const items = itemsOf(value);
    if (!items) throw new Error(`'${typeName(value)}' object is not iterable`);
    if (!chosen) return items;
    return items.filter((item) => {
      const inner = new Environment(scope);
      bind(inner, loopvar, item);
      return this.evaluate(test as Node, inner).__bool__().value;
    });
  }

  #binary(node: Node, scope: Scope): Value | undefined {
    const operator = (node.operator as { value: string }).value;
    if (operator === 'and' || operator === 'or') return undefined;
    const left = this.evaluate(node.left as Node, scope);
    const right = this.evaluate(node.right as Node, scope);
    return binary(operator, left, right) ?? this.library({ ...node, left: known(left), right: known(right) }, scope);
  }

  #call(node: Node, scope: Scope): Value | undefined {
    const callee = node.callee as Node;
    if (callee.type !== 'MemberExpression' || callee.computed) return undefined;
    const object = this.evaluate(callee.object as Node, scope);
    const method = isText(object) ? METHODS[(callee.property as Node).value as string] : undefined;
    const args = node.args as Node[];
    if (!method || args.some(({ type }) => /^Keyword|^Spread/.test(type)))
      return this.library({ ...node, callee: { ...callee, object: known(object) } }, scope);
    return method(object.value as string, ...args.map((one) => this.evaluate(one, scope)));
  }

  /** Asking an undefined name for a member is an error, as in Jinja; the library would go on with undefined. */
  #member(node: Node, scope: Scope): Value {
    const object = this.evaluate(node.object as Node, scope);
    if (isUndefined(object)) throw new Error(`${nameOf(node.object as Node)} is undefined`);
    const { type, value } = node.property as Node;
    const named = typeof value === 'string' && (type === 'StringLiteral' || !node.computed);
    return (named && isMapping(object) ? object.value.get(value) : undefined) ?? this.library({ ...node, object: known(object) }, scope);
  }

  #test(node: Node, scope: Scope): Value {
    const operand = this.evaluate(node.operand as Node, scope);
    const name = (node.test as { value: string }).value;
    if (name === 'iterable' || name === 'sequence') return flag((itemsOf(operand) !== undefined) !== node.negate);
    return this.library({ ...node, operand: known(operand) }, scope);
  }
}

function binary(operator: string, left: Value, right: Value): Value | undefined {
  if (operator === '==' || operator === '!=') return flag(equals(left, right) === (operator === '=='));
  if (operator === '~') return joined(left, right);
  if (operator === '+' && isText(left) !== isText(right)) throw new Error(`can only join strings: ${typeName(left)} + ${typeName(right)}`);
  if (operator === 'in' || operator === 'not in')
    return isList(right) ? flag(includes(right.value, left) === (operator === 'in')) : undefined;
  if (isText(left) && isText(right)) return compared(operator, Buffer.compare(Buffer.from(left.value), Buffer.from(right.value)));
  return undefined;
}

function compared(operator: string, order: number): Value | undefined {
  const holds = { '<': order < 0, '>': order > 0, '<=': order <= 0, '>=': order >= 0 }[operator];
  return holds === undefined ? undefined : flag(holds);
}

const nameOf = ({ type, value, property }: Node): string =>
  type === 'Identifier' ? `'${value}'` : `'${(property as Node | undefined)?.value ?? 'a value'}'`;
