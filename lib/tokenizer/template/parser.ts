/** Jinja2's statements, with the loop controls and the tag `generation` of transformers. */
import { ExpressionParser } from './expressions.js';
import { tokenize } from './lexer.js';
import type { Expression, Parameters, Statement, Target } from './nodes.js';
import { TemplateFault } from './values.js';

/** @throws TemplateFault */
export function parse(source: string): Statement[] {
  return new Parser(tokenize(source)).whole();
}

/** Tags of Jinja2 that need other templates, or change how text is escaped. */
const REFUSED = ['extends', 'block', 'include', 'import', 'from', 'autoescape', 'do', 'trans', 'debug'];

/** Statements within one another. */
const DEEPEST = 200;

class Parser extends ExpressionParser {
  #loops = 0;
  #nesting = 0;

  whole(): Statement[] {
    const body = this.#until([]);
    if (this.token.type !== 'end') throw new TemplateFault(`{% ${this.tokens[this.at + 1]?.value} %} without its beginning`);
    return body;
  }

  /** Statements up to a tag of one of these names, which is left to be read. */
  #until(ends: readonly string[]): Statement[] {
    const body: Statement[] = [];
    if (++this.#nesting > DEEPEST) throw new TemplateFault(`tags lie deeper than ${DEEPEST} within one another`);
    for (;;) {
      const { type, value } = this.token;
      if (type === 'end') {
        if (ends.length > 0) throw new TemplateFault(`expected {% ${ends.at(-1)} %}, found the end of the template`);
        break;
      }
      this.at++;
      if (type === 'data') body.push({ type: 'text', text: value });
      else if (type === 'printBegin') {
        body.push({ type: 'print', value: this.tuple() });
        this.expect('}}', 'printEnd');
      } else {
        const name = this.token.value;
        if (ends.includes(name) || /^(?:end|else$|elif$)/.test(name)) {
          this.at--;
          if (ends.length > 0 && !ends.includes(name)) throw new TemplateFault(`expected {% ${ends.at(-1)} %}, found {% ${name} %}`);
          break;
        }
        body.push(...this.#statement(this.name()));
      }
    }
    this.#nesting--;
    return body;
  }

  /** Reads the tag that `#until` stopped at; its name. */
  #closing(): string {
    this.expect('{%', 'blockBegin');
    return this.name();
  }

  #endTag(): void {
    this.expect('%}', 'blockEnd');
  }

  #body(end: string): Statement[] {
    this.#endTag();
    const body = this.#until([end]);
    this.#closing();
    this.#endTag();
    return body;
  }

  #statement(name: string): Statement[] {
    switch (name) {
      case 'if':
        return [this.#if()];
      case 'for':
        return [this.#for()];
      case 'set':
        return [this.#set()];
      case 'macro':
        return [this.#macro()];
      case 'call':
        return [this.#call()];
      case 'filter':
        return [this.#filterBlock()];
      case 'with':
        return [this.#with()];
      case 'generation':
        return this.#body('endgeneration');
      case 'break':
      case 'continue':
        if (this.#loops === 0) throw new TemplateFault(`{% ${name} %} outside of a loop`);
        this.#endTag();
        return [{ type: name }];
      default:
        throw new TemplateFault(REFUSED.includes(name) ? `the tag {% ${name} %} is not supported` : `there is no tag {% ${name} %}`);
    }
  }

  #if(): Statement {
    const branches: { condition: Expression; body: Statement[] }[] = [];
    for (;;) {
      const condition = this.tuple(false);
      this.#endTag();
      branches.push({ condition, body: this.#until(['elif', 'else', 'endif']) });
      const next = this.#closing();
      if (next === 'elif') continue;
      const otherwise = next === 'else' ? this.#body('endif') : [];
      if (next !== 'else') this.#endTag();
      return { type: 'if', branches, otherwise };
    }
  }

  #for(): Statement {
    const target = this.#targets(() => this.is('in', 'name'));
    this.expect('in', 'name');
    const items = this.tuple(false, () => this.is('recursive', 'name'));
    const condition = this.took('if', 'name') ? this.expression() : undefined;
    const recursive = this.took('recursive', 'name');
    this.#endTag();
    this.#loops++;
    const body = this.#until(['else', 'endfor']);
    this.#loops--;
    const hasElse = this.#closing() === 'else';
    const otherwise = hasElse ? this.#body('endfor') : [];
    if (!hasElse) this.#endTag();
    return { type: 'for', target, items, condition, body, otherwise, recursive };
  }

  #targets(ends: () => boolean): Target {
    const items: Target[] = [this.#target()];
    let isTuple = false;
    while (this.took(',')) {
      isTuple = true;
      if (ends()) break;
      items.push(this.#target());
    }
    return isTuple ? { type: 'tuple', items } : items[0]!;
  }

  #target(): Target {
    if (this.took('(')) {
      const inner = this.#targets(() => this.is(')'));
      this.expect(')');
      return inner;
    }
    return { type: 'name', name: assignable(this.name()) };
  }

  #set(): Statement {
    const isAttribute = this.tokens[this.at + 1]?.value === '.' && this.tokens[this.at + 1]?.type === 'operator';
    const target = isAttribute ? this.#attributeTarget() : this.#targets(() => this.is('=') || this.is('%}', 'blockEnd'));
    if (this.took('=')) {
      const value = this.tuple();
      this.#endTag();
      return { type: 'set', target, value };
    }
    let filter: Expression | undefined;
    while (this.took('|')) filter = this.filter(filter);
    return { type: 'setBlock', target, filter, body: this.#body('endset') };
  }

  #attributeTarget(): Target {
    const name = this.name();
    this.expect('.');
    return { type: 'attribute', name, attribute: this.name() };
  }

  #parameters(): Parameters {
    const found: Parameters = { names: [], defaults: [] };
    this.expect('(');
    while (!this.took(')')) {
      if (found.names.length > 0) this.expect(',');
      if (this.took(')')) break;
      found.names.push(assignable(this.name()));
      if (this.took('=')) found.defaults.push(this.expression());
      else if (found.defaults.length > 0) throw new TemplateFault('a parameter without a default behind one with a default');
    }
    return found;
  }

  /** What stands inside has loops of its own. */
  #apart<T>(read: () => T): T {
    const loops = this.#loops;
    this.#loops = 0;
    const value = read();
    this.#loops = loops;
    return value;
  }

  #macro(): Statement {
    const name = assignable(this.name());
    const parameters = this.#parameters();
    return { type: 'macro', name, ...parameters, body: this.#apart(() => this.#body('endmacro')) };
  }

  #call(): Statement {
    const parameters = this.is('(') ? this.#parameters() : { names: [], defaults: [] };
    const call = this.expression();
    if (call.type !== 'call') throw new TemplateFault('{% call %} takes a call');
    return { type: 'callBlock', call, ...parameters, body: this.#apart(() => this.#body('endcall')) };
  }

  #filterBlock(): Statement {
    let filter = this.filter(undefined);
    while (this.took('|')) filter = this.filter(filter);
    return { type: 'filterBlock', filter, body: this.#body('endfilter') };
  }

  #with(): Statement {
    const values: [Target, Expression][] = [];
    while (!this.is('%}', 'blockEnd')) {
      if (values.length > 0) this.expect(',');
      const target = this.#target();
      this.expect('=');
      values.push([target, this.expression()]);
    }
    return { type: 'with', values, body: this.#body('endwith') };
  }
}

function assignable(name: string): string {
  if (/^(?:true|false|none|True|False|None)$/.test(name)) throw new TemplateFault(`${name} cannot be given a value`);
  return name;
}
