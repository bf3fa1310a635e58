/** Values of Parquet as JSON would hold them: so that one content gives the same rows whatever the file. */
import { isUtf8 } from 'node:buffer';
import { DataError } from '../../errors/index.js';
import { Float, floatFrom, isObject, objectFrom, parseJson, wholeFrom } from '../../json/index.js';
import type { Origin } from '../types.js';
import type { ParquetNode } from './parquet_reader.js';
import { dateText, timestampText } from './parquet_times.js';

/** A row's columns. @throws DataError `not_utf8`, `malformed_json` with the number of the row */
export function rowValues(stored: Record<string, unknown>, { children }: ParquetNode, at: Origin): Record<string, unknown> {
  return objectFrom(children.map((child) => [child.element.name, valueIn(stored[child.element.name], child, child.element.name, at)]));
}

function valueIn(stored: unknown, node: ParquetNode, path: string, at: Origin): unknown {
  if (stored === null || stored === undefined) return null;
  if (Array.isArray(stored)) return stored.map((item, n) => valueIn(item, itemNode(node), `${path}[${n}]`, at));
  if (node.children.length === 0) return leafOf(stored, node.element, path, at);
  return isObject(stored) ? structOf(stored, node, path, at) : stored;
}

/**
 * Every struct of a column has every key of the column: those that a row did not have are null, and count as not there. A map's keys are the row's
 * own.
 */
function structOf(stored: Record<string, unknown>, node: ParquetNode, path: string, at: Origin): Record<string, unknown> {
  const isMap = node.element.converted_type === 'MAP';
  const values = node.children[0]?.children[1] ?? node;
  const fields = isMap
    ? Object.keys(stored).map((name) => [name, values] as const)
    : node.children.map((child) => [child.element.name, child] as const);
  const entries = fields.map(([name, child]) => [name, valueIn(stored[name], child, `${path}.${name}`, at)] as const);
  return objectFrom(isMap ? entries : entries.filter(([, value]) => value !== null));
}

/** What the items of a list are: lists have a node between, which older files leave out. */
function itemNode(node: ParquetNode): ParquetNode {
  const { element, children } = node;
  const [between] = children;
  if (element.converted_type !== 'LIST' || between === undefined) return node;
  return between.children.length === 1 ? (between.children[0] as ParquetNode) : between;
}

function leafOf(stored: unknown, element: ParquetNode['element'], path: string, at: Origin): unknown {
  const { type = '', converted_type: converted, logical_type: logical } = element;
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') return decimalOf(stored, element.scale ?? 0);
  if (converted === 'DATE' || logical?.type === 'DATE') return dateText(Number(stored));
  if (logical?.type === 'TIMESTAMP' || converted?.startsWith('TIMESTAMP') || type === 'INT96') return timestampText(stored, element);
  if (type === 'BYTE_ARRAY' && stored instanceof Uint8Array) {
    const text = textOf(stored, path, at);
    return converted === 'JSON' || logical?.type === 'JSON' ? jsonOf(text, path, at) : text;
  }
  if (typeof stored === 'bigint') return wholeFrom(stored);
  const isFloat = type === 'DOUBLE' || type === 'FLOAT' || logical?.type === 'FLOAT16';
  return typeof stored === 'number' && isFloat ? floatFrom(stored) : stored;
}

function textOf(stored: Uint8Array, path: string, { file, line }: Origin): string {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const character = bytes.toString('utf8').indexOf('\ufffd') + 1;
  throw new DataError('not_utf8', `${path} is not valid UTF-8 (at character ${character})`, { file, line });
}

function jsonOf(text: string, path: string, { file, line }: Origin): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new DataError('malformed_json', `${path} is not valid JSON: ${(cause as Error).message}`, { file, line, cause });
  }
}

/** A whole number of units, as number or as bytes of two's complement with the largest first → `-12.50`. */
function decimalOf(stored: unknown, scale: number): unknown {
  const units = stored instanceof Uint8Array ? signed(stored) : BigInt(stored as number | bigint);
  if (scale <= 0) return wholeFrom(units * 10n ** BigInt(-scale));
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const text = `${units < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return new Float(Number(text), text);
}

function signed(bytes: Uint8Array): bigint {
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
  return BigInt.asIntN(8 * Math.max(bytes.length, 1), value);
}
