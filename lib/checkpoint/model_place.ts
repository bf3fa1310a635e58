/** Where a model lies that was named on the command line, in a recipe or in a call: a folder, or an id on the hub. */
import { isHubId, resolveModel } from '../options/index.js';
import { fetchModel, type HubOptions } from './hub.js';

/**
 * The folder of `model`, fetched where it is named by hub id and no such folder is here.
 * @param folder that relative paths start at
 */
export async function modelPlace(
  model: string,
  { folder = process.cwd(), ...hub }: HubOptions & { folder?: string } = {},
): Promise<string> {
  const place = resolveModel(model, folder);
  return isHubId(place) ? fetchModel(place, hub) : place;
}
