/** The mark of what attune wrote itself. */

/** How every recipe that attune writes begins: a folder that holds one is a run's. */
export const WRITTEN = '# Written by attune:';
