import { callKernel, type KernelOptions } from './call.js';

export interface CeilingArguments {
  /** `multiply`: fused multiply-adds in registers or tiles; `read` and `copy`: memory that no cache holds. */
  kind: 'multiply' | 'read' | 'copy';
  /** Matters for `multiply` on machines with tiles only. */
  dtype?: 'f32' | 'bf16';
  /** About how long to measure (default 0.05). */
  seconds?: number;
  /** Size of one thread's buffer (default 64 MiB), for `read` and `copy`. */
  bytes?: number;
}

/** What the machine can do at best with this instruction set and number of threads: operations or bytes per second, measured on random numbers. */
export function ceiling(args: CeilingArguments, options?: KernelOptions): number {
  return callKernel<{ perSecond: number }>('ceiling', args, options).perSecond;
}
