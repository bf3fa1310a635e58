/** What a file of families/ says of its networks: all that attune knows of a family stands there. */
import type { Fields } from '../files/json_file.js';
import type { NetworkConfig } from '../native.js';

export interface Family {
  /** As `architectures` in config.json names it. */
  architecture: string;
  /**
   * Sizes, facts and the table of tensors from config.json, with the defaults of transformers.
   * @throws DataError `bad_config` for what changes the arithmetic in ways that attune does not compute
   */
  read(fields: Fields): NetworkConfig;
  /** Names that only a network of this family gives its tensors: one that its config.json does not ask for is of another network. */
  parts: RegExp;
  /** Names that a file may have in the place of the table's: the table's name, or undefined for parts of other tasks, which are left out. */
  tensorName?(name: string): string | undefined;
}
