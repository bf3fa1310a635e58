/** A recipe's text with the place of every key and value in it. */
import { isMap, isScalar, LineCounter, type Node, type ParsedNode, parseDocument } from 'yaml';
import { type ErrorPlace, RequestError } from '../errors/index.js';
import type { Path } from './expectation.js';

export interface ParsedText {
  /** The recipe as plain values. */
  value: unknown;
  /** Where `path` stands; the nearest group above it where it does not stand at all. */
  place(path: Path, onKey?: boolean): ErrorPlace;
}

/** Parses YAML (and so JSON); faults of syntax are errors with line and column. */
export function parseText(text: string, file: string): ParsedText {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, merge: true });
  const at = (offset: number): ErrorPlace => {
    const { line, col } = counter.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const [fault] = document.errors;
  if (fault !== undefined)
    throw new RequestError(
      'malformed_recipe',
      `not valid YAML: ${fault.message.split('\n')[0]?.replace(/ at line.*$/, '')}`,
      at(fault.pos[0]),
    );
  return { value: plainValue(document, file), place: (path, onKey = false) => at(offsetOf(document.contents, path, onKey)) };
}

function plainValue(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    throw new RequestError('malformed_recipe', `not valid YAML: ${(cause as Error).message}`, { file, cause });
  }
}

function offsetOf(root: ParsedNode | Node | null, path: Path, onKey: boolean): number {
  let node: unknown = root;
  let offset = startOf(root);
  for (const [depth, key] of path.entries()) {
    const pair = isMap(node) ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key)) : undefined;
    const next = pair === undefined ? child(node, key) : pair.value;
    if (pair === undefined && next === undefined) return offset;
    const wantsKey = pair !== undefined && ((onKey && depth === path.length - 1) || next === null);
    offset = startOf(wantsKey ? pair.key : next) || startOf(pair?.key) || offset;
    node = next;
  }
  return offset;
}

function child(node: unknown, key: string | number): unknown {
  const items = (node as { items?: unknown[] } | null)?.items;
  return Array.isArray(items) && typeof key === 'number' && !isMap(node) ? items[key] : undefined;
}

const startOf = (node: unknown): number => (node as { range?: [number, number, number] } | null | undefined)?.range?.[0] ?? 0;
