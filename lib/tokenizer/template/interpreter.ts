/**
 * Works a parsed template out, as Jinja2 does in the sandbox that transformers sets up.
 * Long because: every kind of statement and expression has its case here, and they call each other.
 */
import type { TurnMarks } from '../turns.js';
import { applyFilter, type FilterRoom, isFilter } from './filters.js';
import { loopState } from './loops.js';
import { methodOf } from './methods.js';
import type { Args, Expression, Parameters, Statement, Target } from './nodes.js';
import { binary, compares, sliced, unary } from './operators.js';
import { TESTS } from './tests.js';
import {
  Attributes,
  bounded,
  Callable,
  Dict,
  Items,
  isTrue,
  isWhole,
  itemsOf,
  type Named,
  pointsOf,
  present,
  str,
  TemplateFault,
  Tuple,
  textOf,
  typeName,
  Undefined,
  type Value,
} from './values.js';

/** Expressions and statements that one rendering may work out: a chat of 10,000 messages needs a million or two. */
const MOST_STEPS = 5_000_000;
/** Calls of macros within one another: Python itself ends near 1,000. */
const DEEPEST = 100;

/** `break` and `continue` on their way to their loop. */
class LoopSignal {
  constructor(readonly breaks: boolean) {}
}
const [BREAK, CONTINUE] = [new LoopSignal(true), new LoopSignal(false)];

class Scope {
  readonly values = new Map<string, Value>();
  constructor(readonly outer?: Scope) {}

  find(name: string): Value | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.outer) {
      const value = scope.values.get(name);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

export class Interpreter implements FilterRoom {
  #steps = 0;
  #depth = 0;
  #size = 0;
  #out: string[] = [];
  /** Marks around the rounds of loops whose item is one of these messages. */
  #marks: TurnMarks | undefined;
  readonly #indices = new Map<Value, number>();
  readonly #globals = new Scope();

  constructor(variables: ReadonlyMap<string, Value>, marks?: TurnMarks) {
    for (const [name, value] of variables) this.#globals.values.set(name, value);
    const messages = variables.get('messages');
    this.#marks = marks;
    if (marks && Array.isArray(messages)) for (const [i, message] of messages.entries()) this.#indices.set(message, i);
  }

  run(program: readonly Statement[]): string {
    return this.#printed(() => this.#block(program, this.#globals));
  }

  /** What is printed meanwhile. */
  #printed(work: () => void): string {
    const before = this.#out;
    this.#out = [];
    try {
      work();
      return this.#out.join('');
    } finally {
      this.#out = before;
    }
  }

  #print(text: string): void {
    this.#size += text.length;
    bounded(this.#size);
    this.#out.push(text);
  }

  #step(): void {
    if (++this.#steps > MOST_STEPS)
      throw new TemplateFault(`it takes more than ${MOST_STEPS} steps: does it loop over more than the conversation?`);
  }

  #block(statements: readonly Statement[], scope: Scope): void {
    for (const statement of statements) {
      this.#step();
      this.#statement(statement, scope);
    }
  }

  #statement(one: Statement, scope: Scope): unknown {
    switch (one.type) {
      case 'text':
        return this.#print(one.text);
      case 'print':
        return this.#print(str(this.#value(one.value, scope)));
      case 'if': {
        const branch = one.branches.find(({ condition }) => isTrue(this.#value(condition, scope)));
        return this.#block(branch?.body ?? one.otherwise, scope);
      }
      case 'for':
        return this.#for(one, this.#value(one.items, scope), scope, 1);
      case 'set':
        return this.#assign(one.target, this.#value(one.value, scope), scope);
      case 'setBlock': {
        const text = this.#printed(() => this.#block(one.body, new Scope(scope)));
        return this.#assign(one.target, one.filter ? this.#throughBlock(one.filter, text, scope) : text, scope);
      }
      case 'macro':
        scope.values.set(one.name, this.#macro(one.name, one, one.body, scope));
        return;
      case 'callBlock': {
        const { call } = one;
        if (call.type !== 'call') throw new TemplateFault('{% call %} takes a call');
        const caller = this.#macro('caller', one, one.body, scope);
        return this.#print(str(this.#call(call, scope, caller)));
      }
      case 'filterBlock':
        return this.#print(
          str(
            this.#throughBlock(
              one.filter,
              this.#printed(() => this.#block(one.body, new Scope(scope))),
              scope,
            ),
          ),
        );
      case 'with': {
        const inner = new Scope(scope);
        for (const [target, value] of one.values) this.#assign(target, this.#value(value, scope), inner);
        return this.#block(one.body, inner);
      }
      case 'break':
        throw BREAK;
      case 'continue':
        throw CONTINUE;
    }
  }

  #throughBlock(filter: Expression, text: Value, scope: Scope): Value {
    if (filter.type !== 'filter') return text;
    const operand = filter.operand ? this.#throughBlock(filter.operand, text, scope) : text;
    const { args, named } = this.#arguments(filter, scope);
    return applyFilter(filter.name, operand, args, named, this);
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.type === 'name') {
      scope.values.set(target.name, value);
      return;
    }
    if (target.type === 'attribute') {
      const object = scope.find(target.name);
      if (!(object instanceof Attributes) || !object.set) throw new TemplateFault('cannot assign attribute on non-namespace object');
      object.set(target.attribute, value);
      return;
    }
    const items = itemsOf(value);
    if (items.length !== target.items.length)
      throw new TemplateFault(
        `${items.length < target.items.length ? 'not enough' : 'too many'} values to unpack (expected ${target.items.length})`,
      );
    for (const [i, inner] of target.items.entries()) this.#assign(inner, items[i]!, scope);
  }

  #for(loop: Statement & { type: 'for' }, over: Value, scope: Scope, depth: number): void {
    const all = itemsOf(over);
    const items = loop.condition === undefined ? all : all.filter((item) => this.#passes(loop, item, scope));
    if (items.length === 0) {
      this.#block(loop.otherwise, scope);
      return;
    }
    const changed = { last: undefined as readonly Value[] | undefined };
    const again = new Callable('loop', ([inner = new Undefined('loop')]) => {
      if (!loop.recursive) throw new TemplateFault("The loop must have the 'recursive' marker to be called recursively.");
      return this.#deeper(() => this.#printed(() => this.#for(loop, inner, scope, depth + 1)));
    });
    const usesLoop = loop.recursive || mentionsLoop(loop);
    for (const [i, item] of items.entries()) {
      this.#step();
      const inner = new Scope(scope);
      if (usesLoop) inner.values.set('loop', loopState(items, i, depth, changed, again));
      this.#assign(loop.target, item, inner);
      if (this.#round(loop, item, inner)) break;
    }
  }

  /** One round, marked where it is a message's. Whether it ended the loop. */
  #round({ body }: Statement & { type: 'for' }, item: Value, scope: Scope): boolean {
    const index = this.#indices.get(item);
    if (index !== undefined) this.#out.push(`${this.#marks?.opens}${index}${this.#marks?.ends}`);
    try {
      this.#block(body, scope);
      return false;
    } catch (thrown) {
      if (!(thrown instanceof LoopSignal)) throw thrown;
      return thrown.breaks;
    } finally {
      if (index !== undefined) this.#out.push(this.#marks?.closes ?? '');
    }
  }

  #passes(loop: Statement & { type: 'for' }, item: Value, scope: Scope): boolean {
    this.#step();
    const inner = new Scope(scope);
    this.#assign(loop.target, item, inner);
    return isTrue(this.#value(loop.condition!, inner));
  }

  #deeper<T>(work: () => T): T {
    if (this.#depth >= DEEPEST) throw new TemplateFault(`macros call each other deeper than ${DEEPEST}`);
    this.#depth++;
    try {
      return work();
    } finally {
      this.#depth--;
    }
  }

  #macro(name: string, { names, defaults }: Parameters, body: readonly Statement[], scope: Scope): Callable {
    const uses = (wanted: string) => mentions(body, wanted);
    const [takesMore, takesNamed, takesCaller] = [uses('varargs'), uses('kwargs'), uses('caller')];
    const firstDefault = names.length - defaults.length;
    return new Callable(
      name,
      (args, given) => {
        const named = new Map(given);
        const inner = new Scope(scope);
        if (takesCaller || names.includes('caller')) {
          inner.values.set('caller', present(named.get('caller'), new Undefined('No caller defined')));
          named.delete('caller');
        } else if (named.has('caller'))
          throw new TemplateFault(`macro '${name}' was invoked with two values for the special caller argument`);
        for (const [i, parameter] of names.entries()) {
          if (parameter === 'caller') continue;
          const otherwise = i >= firstDefault ? defaults[i - firstDefault] : undefined;
          const passed = args[i] === undefined ? named.get(parameter) : args[i];
          const value = passed !== undefined ? passed : otherwise ? this.#value(otherwise, inner) : new Undefined(parameter);
          named.delete(parameter);
          inner.values.set(parameter, value);
        }
        if (takesMore) inner.values.set('varargs', new Tuple(args.slice(names.length)));
        else if (args.length > names.length) throw new TemplateFault(`macro '${name}' takes not more than ${names.length} argument(s)`);
        if (takesNamed) inner.values.set('kwargs', new Dict(named));
        else if (named.size > 0) throw new TemplateFault(`macro '${name}' takes no keyword argument '${[...named.keys()][0]}'`);
        return this.#deeper(() => this.#printed(() => this.#block(body, inner)));
      },
      { name, arguments: new Tuple(names), catch_kwargs: takesNamed, catch_varargs: takesMore, caller: takesCaller },
    );
  }

  #value(one: Expression, scope: Scope): Value {
    this.#step();
    switch (one.type) {
      case 'constant':
        return one.value;
      case 'name':
        return present(scope.find(one.name), new Undefined(one.name));
      case 'list':
        return one.items.map((item) => this.#value(item, scope));
      case 'tuple':
        return new Tuple(one.items.map((item) => this.#value(item, scope)));
      case 'dict':
        return new Dict(one.entries.map(([key, value]) => [this.#value(key, scope), this.#value(value, scope)] as const));
      case 'attribute':
        return this.#attribute(this.#value(one.object, scope), one.name);
      case 'item':
        return this.item(this.#value(one.object, scope), this.#value(one.key, scope));
      case 'slice':
        return sliced(
          this.#value(one.object, scope),
          Array.from(one.bounds, (bound) => (bound ? this.#value(bound, scope) : null)),
        );
      case 'call':
        return this.#call(one, scope);
      case 'filter': {
        const operand = this.#value(one.operand!, scope);
        const { args, named } = this.#arguments(one, scope);
        return applyFilter(one.name, operand, args, named, this);
      }
      case 'test': {
        const operand = this.#value(one.operand, scope);
        return this.test(one.name, operand, this.#arguments(one, scope).args);
      }
      case 'unary':
        if (one.operator === 'not') return !isTrue(this.#value(one.operand, scope));
        return unary(one.operator, this.#value(one.operand, scope));
      case 'binary':
        return this.#binary(one, scope);
      case 'compare':
        return this.#compare(one, scope);
      case 'choice':
        if (isTrue(this.#value(one.condition, scope))) return this.#value(one.chosen, scope);
        return one.otherwise
          ? this.#value(one.otherwise, scope)
          : new Undefined('the inline if-expression evaluated to false and no else section was defined');
    }
  }

  #binary({ operator, left, right }: Expression & { type: 'binary' }, scope: Scope): Value {
    const first = this.#value(left, scope);
    if (operator === 'and') return isTrue(first) ? this.#value(right, scope) : first;
    if (operator === 'or') return isTrue(first) ? first : this.#value(right, scope);
    return binary(operator, first, this.#value(right, scope));
  }

  #compare({ first, rest }: Expression & { type: 'compare' }, scope: Scope): Value {
    let left = this.#value(first, scope);
    for (const [operator, expression] of rest) {
      const right = this.#value(expression, scope);
      if (!compares(operator, left, right)) return false;
      left = right;
    }
    return true;
  }

  #call(call: Expression & { type: 'call' }, scope: Scope, caller?: Callable): Value {
    const found = this.#value(call.callee, scope);
    const callee = found instanceof Attributes ? found.get('__call__') : found;
    if (callee instanceof Undefined) throw new TemplateFault(`'${callee.name}' is undefined`);
    if (!(callee instanceof Callable)) throw new TemplateFault(`'${typeName(found)}' object is not callable`);
    const { args, named } = this.#arguments(call, scope);
    if (caller) named.set('caller', caller);
    return callee.call(args, named);
  }

  #arguments({ args, named, spread, spreadNamed }: Args, scope: Scope): { args: Value[]; named: Named } {
    const values = args.map((one) => this.#value(one, scope));
    const byName: Named = new Map(named.map(([name, one]) => [name, this.#value(one, scope)]));
    if (spread) values.push(...itemsOf(this.#value(spread, scope)));
    if (!spreadNamed) return { args: values, named: byName };
    const more = this.#value(spreadNamed, scope);
    if (!(more instanceof Dict)) throw new TemplateFault('argument after ** must be a mapping');
    for (const [key, value] of more.entries()) byName.set(str(key), value);
    return { args: values, named: byName };
  }

  filter(name: string, value: Value, args: Value[], named: Named): Value {
    this.#step();
    return applyFilter(name, value, args, named, this);
  }

  test(name: string, value: Value, args: Value[]): boolean {
    this.#step();
    if (name === 'filter') return isFilter(str(value));
    if (name === 'test') return Object.hasOwn(TESTS, str(value));
    if (!Object.hasOwn(TESTS, name)) throw new TemplateFault(`there is no test named '${name}'`);
    return TESTS[name]!(value, args);
  }

  /** `value.name`: a method or an attribute, else the item of that name. */
  #attribute(value: Value, name: string): Value {
    if (value instanceof Undefined) throw new TemplateFault(`'${value.name}' is undefined`);
    if (name.startsWith('__')) return new Undefined(`access to attribute '${name}' of '${typeName(value)}' object is unsafe`);
    const own = this.#own(value, name);
    const found = own === undefined && value instanceof Dict ? value.get(name) : own;
    return present(found, new Undefined(`${typeName(value)} object' has no attribute '${name}`));
  }

  #own(value: Value, name: string): Value | undefined {
    if (value instanceof Attributes) return value.get(name);
    if (value instanceof Callable) return Object.hasOwn(value.attributes, name) ? value.attributes[name] : undefined;
    return methodOf(value, name, (start, path) => this.#path(start, path));
  }

  /** `.a[0]` of a format field. */
  #path(start: Value, path: string): Value {
    let value = start;
    for (const [, name, key] of path.matchAll(/\.(\w+)|\[([^\]]*)\]/g))
      value = name === undefined ? this.item(value, /^\d+$/.test(key!) ? Number(key) : key!) : this.#attribute(value, name);
    return value;
  }

  item(value: Value, key: Value): Value {
    if (value instanceof Undefined) throw new TemplateFault(`'${value.name}' is undefined`);
    const found = itemAt(value, key);
    if (found !== undefined) return found;
    const name = textOf(key);
    const own = name === undefined || name.startsWith('__') ? undefined : this.#own(value, name);
    return present(own, new Undefined(`${typeName(value)} object has no element ${str(key)}`));
  }
}

function itemAt(value: Value, key: Value): Value | undefined {
  if (value instanceof Dict) return key instanceof Undefined || Array.isArray(key) || key instanceof Dict ? undefined : value.get(key);
  const index = typeof key === 'boolean' ? Number(key) : key;
  if (!isWhole(index)) return undefined;
  const text = textOf(value);
  const isRange = value instanceof Items && value.type === 'range';
  const items =
    text !== undefined ? pointsOf(text) : Array.isArray(value) ? value : value instanceof Tuple ? value.items : isRange ? value.take() : [];
  const at = Number(index);
  return items[at < 0 ? at + items.length : at];
}

const loops = new WeakMap<object, boolean>();

/** Whether a loop's body uses the name `loop`, which costs something to make. */
function mentionsLoop(loop: Statement & { type: 'for' }): boolean {
  const known = loops.get(loop);
  const found = known ?? mentions(loop.body, 'loop');
  if (known === undefined) loops.set(loop, found);
  return found;
}

/** Whether statements use a name anywhere: macros take more than their parameters only where they do. */
function mentions(node: unknown, name: string): boolean {
  if (node === null || typeof node !== 'object') return false;
  if (Array.isArray(node)) return node.some((one) => mentions(one, name));
  const { type, name: own } = node as { type?: string; name?: string };
  if (type === 'name' && own === name) return true;
  return type !== 'constant' && Object.values(node).some((one) => mentions(one, name));
}
