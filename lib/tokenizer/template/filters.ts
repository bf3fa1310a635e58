/** Filters (`value | name`) where Jinja2 does more, or other, than the library. */
import { type JsonStyle, PLAIN_STYLE, pythonJson } from './json_text.js';
import type { Evaluator, Node, Scope, Value } from './library.js';
import { TEXT_FILTERS } from './strings.js';
import { isList, isText, isUndefined, itemsOf, known, list, str, text, toValue } from './values.js';

/** Turn their operand into a string and are otherwise the library's. */
const TAKE_STRINGS = ['replace', 'indent'];

interface Filter {
  name: string;
  args: Node[];
}

function filterOf({ type, value, callee, args }: Node): Filter {
  return type === 'CallExpression'
    ? { name: (callee as { value: string }).value, args: args as Node[] }
    : { name: value as string, args: [] };
}

/** Value of `operand | filter`. */
export function applyFilter(interpreter: Evaluator, node: Node, scope: Scope): Value {
  const { name, args } = filterOf(node.filter as Node);
  const operand = interpreter.evaluate(node.operand as Node, scope);
  const library = (value: Value) => interpreter.library({ ...node, operand: known(value) }, scope);
  if (name === 'tojson')
    return text(
      pythonJson(
        operand,
        jsonStyle(args, (one) => interpreter.evaluate(one, scope)),
      ),
    );
  const textual = TEXT_FILTERS[name];
  if (textual) return textual(str(operand), ...args.map((one) => interpreter.evaluate(one, scope)));
  if (TAKE_STRINGS.includes(name)) return library(text(str(operand)));
  const own = onItems(name, operand) ?? onEach(interpreter, name, args, operand, scope);
  return own ?? library(isUndefined(operand) && name === 'join' ? text('') : operand);
}

/** Arguments of `tojson(indent, ensure_ascii, separators, sort_keys)`, by name or in this order. */
function jsonStyle(args: readonly Node[], evaluate: (node: Node) => Value): JsonStyle {
  const style: Record<string, unknown> = { ...PLAIN_STYLE };
  const names = ['ensureAscii', 'indent', 'separators', 'sortKeys'];
  for (const [place, arg] of args.entries()) {
    const isNamed = arg.type === 'KeywordArgumentExpression';
    const key = isNamed
      ? String((arg.key as Node).value).replace(/_(.)/, (_, letter: string) => letter.toUpperCase())
      : (names[place] ?? '');
    if (!(key in style)) throw new Error(`tojson() got an unexpected argument '${key}'`);
    const value = evaluate((isNamed ? arg.value : arg) as Node);
    style[key] = isList(value) ? value.value.map(str) : value.value;
  }
  return style as unknown as JsonStyle;
}

/** Filters on whatever can be looped over: strings are lists of characters to them, undefined names are empty. */
function onItems(name: string, operand: Value): Value | undefined {
  if (isList(operand) && !['list', 'count', 'first', 'last'].includes(name)) return undefined;
  const items = itemsOf(operand);
  if (!items) return undefined;
  if (name === 'length' || name === 'count') return toValue(items.length);
  if (name === 'list') return list(items);
  if (name === 'first') return items[0] ?? toValue(undefined);
  if (name === 'last') return items.at(-1) ?? toValue(undefined);
  if (!isText(operand)) return undefined;
  if (name === 'reverse') return text(items.map(str).reverse().join(''));
  // Characters have no attributes: none of them passes a test on one.
  if (name === 'selectattr' || name === 'rejectattr') return list(name === 'selectattr' ? [] : items);
  return undefined;
}

/** `map('filter')`, `select('test')` and `reject('test')`, which the library knows for attributes only. */
function onEach(interpreter: Evaluator, name: string, args: Node[], operand: Value, scope: Scope): Value | undefined {
  const items = itemsOf(operand);
  const [first, ...rest] = args;
  if (!items || !['map', 'select', 'reject'].includes(name) || first?.type === 'KeywordArgumentExpression') return undefined;
  if (name === 'map') {
    const filter = { type: 'CallExpression', callee: { type: 'Identifier', value: nameIn(first) }, args: rest };
    const through = (item: Value) => ({ type: 'FilterExpression', operand: known(item), filter });
    return list(items.map((item) => interpreter.evaluate(through(item), scope)));
  }
  const others = rest.map((one) => interpreter.evaluate(one, scope));
  const test = first ? scope.tests.get(nameIn(first)) : (item: Value) => item.__bool__().value;
  if (!test) throw new Error(`no test named '${nameIn(first)}'`);
  return list(items.filter((item) => test(item, ...others) === (name === 'select')));
}

const nameIn = (node: Node | undefined) => String((node as Node | undefined)?.value);
