/** What a template is parsed into. */
import type { Value } from './values.js';

export interface Args {
  args: Expression[];
  named: [string, Expression][];
  /** `*list` and `**dict`. */
  spread?: Expression | undefined;
  spreadNamed?: Expression | undefined;
}

export type Expression =
  | { type: 'constant'; value: Value }
  | { type: 'name'; name: string }
  | { type: 'list' | 'tuple'; items: Expression[] }
  | { type: 'dict'; entries: [Expression, Expression][] }
  | { type: 'attribute'; object: Expression; name: string }
  | { type: 'item'; object: Expression; key: Expression }
  | { type: 'slice'; object: Expression; bounds: (Expression | undefined)[] }
  | ({ type: 'call'; callee: Expression } & Args)
  | ({ type: 'filter'; operand: Expression | undefined; name: string } & Args)
  | ({ type: 'test'; operand: Expression; name: string } & Args)
  | { type: 'unary'; operator: string; operand: Expression }
  | { type: 'binary'; operator: string; left: Expression; right: Expression }
  | { type: 'compare'; first: Expression; rest: [string, Expression][] }
  | { type: 'choice'; condition: Expression; chosen: Expression; otherwise: Expression | undefined };

/** What a value is given to: a name, several, or an attribute of a namespace. */
export type Target =
  | { type: 'name'; name: string }
  | { type: 'tuple'; items: Target[] }
  | { type: 'attribute'; name: string; attribute: string };

export interface Parameters {
  names: string[];
  /** Of the last names. */
  defaults: Expression[];
}

export type Statement =
  | { type: 'text'; text: string }
  | { type: 'print'; value: Expression }
  | { type: 'if'; branches: { condition: Expression; body: Statement[] }[]; otherwise: Statement[] }
  | {
      type: 'for';
      target: Target;
      items: Expression;
      condition: Expression | undefined;
      body: Statement[];
      otherwise: Statement[];
      recursive: boolean;
    }
  | { type: 'set'; target: Target; value: Expression }
  | { type: 'setBlock'; target: Target; filter: Expression | undefined; body: Statement[] }
  | ({ type: 'macro'; name: string; body: Statement[] } & Parameters)
  | ({ type: 'callBlock'; call: Expression; body: Statement[] } & Parameters)
  | { type: 'filterBlock'; filter: Expression; body: Statement[] }
  | { type: 'with'; values: [Target, Expression][]; body: Statement[] }
  | { type: 'break' | 'continue' };
