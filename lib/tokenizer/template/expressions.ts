/** Jinja2's grammar of expressions, by its own precedence. */
import { Float } from '../../json/index.js';
import type { Token } from './lexer.js';
import type { Args, Expression } from './nodes.js';
import { TemplateFault, type Value, whole } from './values.js';

const CONSTANTS = new Map<string, Value>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>='];

/** Expressions within one another: far below what JavaScript's own stack holds. */
const DEEPEST = 200;

export class ExpressionParser {
  protected at = 0;
  #depth = 0;

  constructor(protected readonly tokens: readonly Token[]) {}

  protected get token(): Token {
    return this.tokens[this.at]!;
  }

  protected is(value: string, type: Token['type'] = 'operator'): boolean {
    return this.token.type === type && this.token.value === value;
  }

  protected took(value: string, type: Token['type'] = 'operator'): boolean {
    if (!this.is(value, type)) return false;
    this.at++;
    return true;
  }

  protected expect(value: string, type: Token['type'] = 'operator'): void {
    if (!this.took(value, type)) throw new TemplateFault(`expected '${value}', found '${this.token.value || 'the end'}'`);
  }

  protected name(): string {
    if (this.token.type !== 'name') throw new TemplateFault(`expected a name, found '${this.token.value || 'the end'}'`);
    return this.tokens[this.at++]!.value;
  }

  /** A whole expression; `choices`: with `… if … else …`. */
  expression(choices = true): Expression {
    if (++this.#depth > DEEPEST) throw new TemplateFault(`expressions lie deeper than ${DEEPEST} within one another`);
    const value = choices ? this.#choice() : this.#or();
    this.#depth--;
    return value;
  }

  /** Expressions between commas: one alone is itself, several are a tuple. */
  tuple(choices = true, ends: () => boolean = () => false): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) this.expect(',');
      if (this.#ended() || ends()) break;
      items.push(this.expression(choices));
      if (!this.is(',')) break;
      isTuple = true;
    }
    if (!isTuple && items.length === 1) return items[0]!;
    if (items.length === 0) throw new TemplateFault(`expected an expression, found '${this.token.value || 'the end'}'`);
    return { type: 'tuple', items };
  }

  #ended(): boolean {
    return ['blockEnd', 'printEnd', 'end'].includes(this.token.type) || this.is(')');
  }

  #choice(): Expression {
    let value = this.#or();
    while (this.took('if', 'name')) {
      const condition = this.#or();
      const otherwise = this.took('else', 'name') ? this.#choice() : undefined;
      value = { type: 'choice', condition, chosen: value, otherwise };
    }
    return value;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.took('or', 'name')) left = { type: 'binary', operator: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.took('and', 'name')) left = { type: 'binary', operator: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    let count = 0;
    while (this.took('not', 'name')) count++;
    let value = this.#compare();
    for (; count > 0; count--) value = { type: 'unary', operator: 'not', operand: value };
    return value;
  }

  #compare(): Expression {
    const first = this.#binary(0);
    const rest: [string, Expression][] = [];
    for (;;) {
      const { value } = this.token;
      if (this.token.type === 'operator' && COMPARISONS.includes(value)) this.at++;
      else if (this.took('in', 'name')) {
        rest.push(['in', this.#binary(0)]);
        continue;
      } else if (this.is('not', 'name') && this.tokens[this.at + 1]?.value === 'in') {
        this.at += 2;
        rest.push(['not in', this.#binary(0)]);
        continue;
      } else break;
      rest.push([value, this.#binary(0)]);
    }
    return rest.length === 0 ? first : { type: 'compare', first, rest };
  }

  /** `+ -`, then `~`, then `* / // %`, then `**`: each binds closer than the one before. */
  #binary(level: number): Expression {
    const operators = [['+', '-'], ['~'], ['*', '/', '//', '%'], ['**']][level];
    if (!operators) return this.#unary(true);
    let left = this.#binary(level + 1);
    while (this.token.type === 'operator' && operators.includes(this.token.value)) {
      const operator = this.tokens[this.at++]!.value;
      left = { type: 'binary', operator, left, right: this.#binary(level + 1) };
    }
    return left;
  }

  #unary(filters: boolean): Expression {
    let signs = '';
    while (this.is('-') || this.is('+')) signs = this.tokens[this.at++]!.value + signs;
    let value = this.#postfix(this.#primary());
    if (filters && signs === '') return this.#filtered(value);
    for (const operator of signs) value = { type: 'unary', operator, operand: value };
    return filters ? this.#filtered(value) : value;
  }

  #primary(): Expression {
    const { type, value } = this.token;
    if (type === 'name') {
      this.at++;
      return CONSTANTS.has(value) ? { type: 'constant', value: CONSTANTS.get(value)! } : { type: 'name', name: value };
    }
    if (type === 'string') return { type: 'constant', value: this.#strings() };
    if (type === 'integer' || type === 'float') {
      this.at++;
      const plain = value.replaceAll('_', '');
      return { type: 'constant', value: type === 'float' ? new Float(Number(plain)) : whole(BigInt(plain)) };
    }
    if (this.took('(')) return this.#parenthesised();
    if (this.took('[')) return { type: 'list', items: this.#upTo(']') };
    if (this.took('{')) return { type: 'dict', entries: this.#entries() };
    throw new TemplateFault(`unexpected '${value || 'end of the template'}'`);
  }

  #strings(): string {
    let text = '';
    while (this.token.type === 'string') text += this.tokens[this.at++]!.value;
    return text;
  }

  #parenthesised(): Expression {
    if (this.took(')')) return { type: 'tuple', items: [] };
    const value = this.tuple();
    this.expect(')');
    return value;
  }

  #upTo(close: string): Expression[] {
    const items: Expression[] = [];
    while (!this.took(close)) {
      if (items.length > 0) this.expect(',');
      if (this.took(close)) break;
      items.push(this.expression());
    }
    return items;
  }

  #entries(): [Expression, Expression][] {
    const entries: [Expression, Expression][] = [];
    while (!this.took('}')) {
      if (entries.length > 0) this.expect(',');
      if (this.took('}')) break;
      const key = this.expression();
      this.expect(':');
      entries.push([key, this.expression()]);
    }
    return entries;
  }

  #postfix(start: Expression): Expression {
    let value = start;
    for (;;) {
      if (this.took('.')) value = this.#member(value);
      else if (this.took('[')) value = this.#subscript(value);
      else if (this.is('(')) value = { type: 'call', callee: value, ...this.arguments() };
      else return value;
    }
  }

  #member(object: Expression): Expression {
    if (this.token.type === 'name') return { type: 'attribute', object, name: this.name() };
    if (this.token.type !== 'integer') throw new TemplateFault(`expected a name behind '.', found '${this.token.value}'`);
    return { type: 'item', object, key: { type: 'constant', value: Number(this.tokens[this.at++]!.value) } };
  }

  #subscript(object: Expression): Expression {
    const parts: Expression[] = [];
    const bounds: (Expression | undefined)[] = [];
    let [colons, isTuple] = [0, false];
    while (!this.took(']')) {
      if (this.took(':')) colons++;
      else if (this.took(',')) isTuple = true;
      else {
        const part = this.expression();
        bounds[colons] = part;
        parts.push(part);
      }
    }
    if (colons > 0 && (isTuple || colons > 2 || parts.length > colons + 1)) throw new TemplateFault('a slice of several dimensions');
    if (colons > 0) return { type: 'slice', object, bounds };
    if (parts.length === 0) throw new TemplateFault('expected an expression in []');
    return { type: 'item', object, key: isTuple ? { type: 'tuple', items: parts } : parts[0]! };
  }

  arguments(): Args {
    const found: Args = { args: [], named: [] };
    this.expect('(');
    for (let first = true; !this.took(')'); first = false) {
      if (!first) this.expect(',');
      if (this.took(')')) break;
      if (this.took('*')) found.spread = this.expression();
      else if (this.took('**')) found.spreadNamed = this.expression();
      else if (this.token.type === 'name' && this.tokens[this.at + 1]?.value === '=' && this.tokens[this.at + 1]?.type === 'operator') {
        const name = this.name();
        this.at++;
        found.named.push([name, this.expression()]);
      } else found.args.push(this.expression());
    }
    return found;
  }

  #filtered(start: Expression): Expression {
    let value = start;
    for (;;) {
      if (this.took('|')) value = this.filter(value);
      else if (this.took('is', 'name')) value = this.#test(value);
      else if (this.is('(')) value = { type: 'call', callee: value, ...this.arguments() };
      else return value;
    }
  }

  /** A filter behind its `|`. */
  protected filter(operand: Expression | undefined): Expression {
    let name = this.name();
    while (this.took('.')) name += `.${this.name()}`;
    return { type: 'filter', operand, name, ...(this.is('(') ? this.arguments() : { args: [], named: [] }) };
  }

  #test(operand: Expression): Expression {
    const negated = this.took('not', 'name');
    let name = this.name();
    while (this.took('.')) name += `.${this.name()}`;
    const test: Expression = { type: 'test', operand, name, ...this.#testArguments() };
    return negated ? { type: 'unary', operator: 'not', operand: test } : test;
  }

  #testArguments(): Args {
    if (this.is('(')) return this.arguments();
    const { type, value } = this.token;
    const begins = ['name', 'string', 'integer', 'float'].includes(type) || (type === 'operator' && '[{'.includes(value));
    if (!begins || (type === 'name' && ['else', 'or', 'and'].includes(value))) return { args: [], named: [] };
    if (type === 'name' && value === 'is') throw new TemplateFault('tests cannot be chained with is');
    return { args: [this.#postfix(this.#primary())], named: [] };
  }
}
