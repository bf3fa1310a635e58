import { addon, guarded, type Variant } from '../native.js';

/** Which instruction set and how many threads a single kernel call uses (default: the best one, one thread). */
export interface KernelOptions {
  variant?: Variant;
  threads?: number;
}

/** For benches: `repeat` runs the kernel that many times more, and the result has `seconds`, the time of one run, measured inside the addon. */
export interface Repeat {
  repeat?: number;
}

/** Runs a kernel of the native table; results are new typed arrays. Throws a RequestError with code `kernel_arguments` on wrong shapes. */
export function callKernel<Result>(name: string, args: object, options: KernelOptions = {}): Result {
  return guarded(() => {
    const kernel = addon().kernels[name];
    if (!kernel) throw new Error(`no kernel named ${name}`);
    return kernel(args, options) as Result;
  });
}

/** Instruction sets for which the kernel has code of its own and that this machine has. */
export function kernelVariants(name: string): Variant[] {
  return addon().kernels[name]?.variants ?? [];
}
