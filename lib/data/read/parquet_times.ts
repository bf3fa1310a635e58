/** Dates and times of Parquet as Python prints them: `2026-03-07`, `2026-03-07 09:05:03.000120+00:00`. */
import type { ParquetNode } from './parquet_reader.js';

/** @param days since 1 January 1970 */
export const dateText = (days: number): string => new Date(days * 86_400_000).toISOString().slice(0, 10);

const PARTS: Readonly<Record<string, bigint>> = { MILLIS: 1000n, MICROS: 1_000_000n, NANOS: 1_000_000_000n };

/** @param stored units since 1 January 1970 */
export function timestampText(
  stored: unknown,
  { type, converted_type: converted = '', logical_type: logical }: ParquetNode['element'],
): string {
  const unit = type === 'INT96' ? 'NANOS' : (logical?.unit ?? converted.replace('TIMESTAMP_', ''));
  const [units, parts] = [BigInt(stored as number | bigint), PARTS[unit] ?? 1000n];
  const micros = (units * 1_000_000n) / parts - (units < 0n && (units * 1_000_000n) % parts !== 0n ? 1n : 0n);
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const date = new Date(Number((micros - rest) / 1000n));
  if (Number.isNaN(date.getTime())) return String(units);
  const whole = date.toISOString().slice(0, 19).replace('T', ' ');
  const isUtc = logical?.isAdjustedToUTC === true || (logical === undefined && type !== 'INT96');
  return `${whole}${rest === 0n ? '' : `.${String(rest).padStart(6, '0')}`}${isUtc ? '+00:00' : ''}`;
}
