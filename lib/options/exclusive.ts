/** Keys of a group that exclude each other: where one is set over a recipe or a stage's defaults, the other goes. */
const EXCLUSIVE: readonly [group: string, key: string, other: string][] = [
  ['train', 'steps', 'epochs'],
  ['train', 'rowsPerStep', 'tokensPerStep'],
  ['evaluate', 'fraction', 'data'],
];

/** The key that `key` of `group` drives out. */
export function excludedBy(group: unknown, key: unknown): string | undefined {
  const pair = EXCLUSIVE.find(([name, one, two]) => name === group && (one === key || two === key));
  return pair && (pair[1] === key ? pair[2] : pair[1]);
}
