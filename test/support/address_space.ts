// Address space of this process, on Linux.
import { readFileSync } from 'node:fs';

/** Bytes of address space: pages that are reserved and not yet written count, those of a cache before its answers are there. */
export const addressSpace = () => 1024 * Number(/^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
