/** `--set key=value`: changes to a recipe before it is checked. */
import { parseDocument } from 'yaml';
import { RequestError } from '../errors/index.js';
import { excludedBy } from '../options/exclusive.js';
import { dotted, type Path } from '../options/expectation.js';

/** One change: where, to what, and how the user wrote it. */
export interface Setting {
  path: Path;
  value: unknown;
  text: string;
}

/** Reads `train.steps=3`; the value is read as YAML, so that `[q_proj, v_proj]` and `null` mean what they mean in a recipe. */
export function parseSetting(text: string): Setting {
  const at = text.indexOf('=');
  if (at < 1) throw new RequestError('bad_setting', `--set ${text}: expected key=value, as --set train.steps=3`);
  const path = text
    .slice(0, at)
    .trim()
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const document = parseDocument(text.slice(at + 1));
  if (path.includes('') || document.errors.length > 0)
    throw new RequestError(
      'bad_setting',
      `--set ${text}: ${document.errors[0]?.message.split('\n')[0] ?? 'expected a dotted key before the ='}`,
    );
  return { path, value: document.contents === null ? null : document.toJS(), text };
}

/** Takes out in place what the changes exclude: steps instead of the epochs that a recipe gives. Two changes that exclude each other stay a fault. */
export function driveOut(recipe: Record<string, unknown>, settings: readonly Setting[]): void {
  for (const { path } of settings) {
    const other = excludedBy(path.at(-2), path.at(-1));
    if (other === undefined) continue;
    const group = path.slice(0, -1).reduce((at: unknown, key) => (isObject(at) ? own(at, key) : undefined), recipe);
    if (isObject(group)) delete group[other];
  }
}

const isObject = (value: unknown): value is Record<string | number, unknown> => value !== null && typeof value === 'object';

/** Applies one change in place. Groups on the way are made; a method or a source given by its name alone becomes one. */
export function applySetting(recipe: Record<string, unknown>, setting: Setting): void {
  let at: Record<string | number, unknown> = recipe;
  const above = setting.path.slice(0, -1);
  above.forEach((key, depth) => {
    const next = own(at, key);
    if (next === undefined || next === null) put(at, key, {});
    else if (depth === 0 && key === 'method' && typeof next === 'string') put(at, key, { name: next });
    else if (depth === 1 && above[0] === 'data' && typeof next === 'string') put(at, key, { path: next });
    else if (typeof next !== 'object')
      throw new RequestError(
        'bad_setting',
        `--set ${setting.text}: ${dotted(above.slice(0, depth + 1))} is ${JSON.stringify(next)}, which has no keys`,
      );
    at = own(at, key) as Record<string | number, unknown>;
  });
  put(at, setting.path.at(-1) as string | number, setting.value);
}

const own = (at: Record<string | number, unknown>, key: string | number) => (Object.hasOwn(at, key) ? at[key] : undefined);

/** Defines the key as data, so that `__proto__` is an unknown key like any other. */
function put(at: Record<string | number, unknown>, key: string | number, value: unknown): void {
  Object.defineProperty(at, key, { value, enumerable: true, writable: true, configurable: true });
}

/** Whether a fault at `path` came from this change; `onKey`: the key at `path` is unknown, so that a change below it made it. */
export function touches(setting: Setting, path: Path, onKey: boolean): boolean {
  const shared = Math.min(setting.path.length, path.length);
  const same = setting.path.slice(0, shared).every((key, n) => String(key) === String(path[n]));
  return same && (onKey || path.length >= setting.path.length);
}
