/** `--device`, `--dtype` and `--threads` of the commands, from the recipe's schema. */
import { nearest, RequestError } from '../errors/index.js';
import { expectation, schemasAt, shown, wordsAt } from './expectation.js';
import { computeSchema } from './parts.js';
import { describedSchema, type Recipe } from './schema.js';

/** Flags that stand for keys of `compute`. */
export const COMPUTE_FLAGS = ['device', 'dtype', 'threads'] as const;
export type ComputeFlag = (typeof COMPUTE_FLAGS)[number];

/** What `--help` says of a flag. */
export function computeFlagHelp(flag: ComputeFlag): { description: string; expected: string; default: unknown } {
  const [schema = {}] = schemasAt(describedSchema(), ['compute', flag]);
  return { description: schema.description ?? '', expected: expectation(schema), default: schema.default };
}

/**
 * `compute` from flags as the command line gives them; flags left out get their defaults.
 * @throws RequestError `bad_option` that names the flag, what it takes and what came
 */
export function readComputeFlags(flags: Partial<Record<ComputeFlag, unknown>>): Recipe['compute'] {
  const given = COMPUTE_FLAGS.filter((flag) => flags[flag] !== undefined).map((flag) => [flag, asValue(flags[flag])]);
  const parsed = computeSchema.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const flag = parsed.error.issues[0]?.path[0] as ComputeFlag;
  const path = ['compute', flag];
  const guess = nearest(String(flags[flag]), wordsAt(describedSchema(), path));
  const hint = guess === undefined ? '' : `; did you mean ${guess}?`;
  throw new RequestError('bad_option', `--${flag} must be ${computeFlagHelp(flag).expected}, not ${shown(flags[flag])}${hint}`);
}

const asValue = (value: unknown) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value);
