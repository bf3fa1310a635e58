/** What `model` of a recipe names: a folder, or a place on a hub. */
import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { isAbsent, readFault } from '../errors/system.js';

/** `owner/name`, with or without `@revision`. */
const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*(@[\w./-]+)?$/;

/** Whether a model is named by its place on a hub. */
export function isHubId(model: string): boolean {
  return HUB_ID.test(model);
}

/** Where a folder cannot be looked into, a model is not taken for one of the hub. @throws RequestError `not_readable`, WorkError `read_failed` */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw readFault(error, path);
  }
}

/** A folder or file beside the recipe, else a hub id, else the path as it would be. */
export function resolveModel(model: string, folder: string): string {
  const path = resolve(folder, model);
  return !isAbsolute(model) && isHubId(model) && !isThere(path) ? model : path;
}
