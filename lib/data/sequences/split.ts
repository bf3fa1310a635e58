/** Rows held out for evaluation, chosen by their content. */
import { DataError } from '../../errors/index.js';
import type { Tokens } from '../types.js';
import type { Dataset } from './dataset.js';

/**
 * Holds out about `fraction` of the rows: those whose content hashes low. Which they are depends on the rows' own words alone, so that a row
 * stays on its side when rows are added, moved or doubled, and a doubled row is never on both. At least one row is held out.
 * @throws DataError `nothing_trained` where nothing would be left to train on
 */
export function holdOut(dataset: Dataset, fraction: number): { train: Tokens[]; heldOut: Tokens[] } {
  const { sequences } = dataset;
  const least = sequences.reduce((low, { share }) => Math.min(low, share), 1);
  const isHeldOut = ({ share }: Tokens) => share < fraction || share === least;
  const [train, heldOut] = [sequences.filter((one) => !isHeldOut(one)), sequences.filter(isHeldOut)];
  if (train.length > 0) return { train, heldOut };
  const message = `evaluate.fraction ${fraction} of ${dataset.counts.kept} rows leaves none to train on; give more rows, or evaluate.data`;
  throw new DataError('nothing_trained', message, { file: dataset.sources[0]?.path ?? '' });
}
