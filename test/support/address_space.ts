// Address space of this process, on Linux.
import { readFileSync } from 'node:fs';

const field = (name: string) =>
  1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

/** Bytes of address space: pages that are reserved and not yet written count, those of a cache before its answers are there. */
export const addressSpace = () => field('VmSize');
/** The most that it ever had. */
export const addressSpacePeak = () => field('VmPeak');
