/**
 * Finds, loads and types the native addon: the only file that touches it. Everything here is asynchronous but the single kernels: a worker
 * thread of the addon drives its own thread pool, and the event loop stays free.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AttuneError, DataError, RequestError, WorkError } from './errors/index.js';

export type * from './native/generation.js';
export type * from './native/memory.js';
export type * from './native/types.js';

import type { MemoryRequest, PlannedMemory } from './native/memory.js';
import type { CpuFacts, KernelFunction, ModelOptions, NativeModel } from './native/types.js';

interface Addon {
  version: string;
  cpu: CpuFacts;
  kernels: Record<string, KernelFunction>;
  loadModel(options: ModelOptions): Promise<NativeModel>;
  planMemory(request: MemoryRequest): PlannedMemory;
  /** Bytes that the process may still take, by machine, container and limits. `root` stands before /proc and /sys. */
  availableMemory(root?: string): number;
  /** Resident set of the process in bytes, now and at its highest. */
  residentMemory(): { now: number; peak: number };
}

const here = dirname(fileURLToPath(import.meta.url));
// lib/ in a clone under vitest, dist/ when built: the package root is one above.
const root = resolve(here, '..');
const require = createRequire(import.meta.url);
let loaded: Addon | undefined;

/** Places where the addon is looked for, in order. */
export function addonCandidates(): string[] {
  const build = process.env.ATTUNE_BUILD_DIR ? resolve(process.env.ATTUNE_BUILD_DIR) : resolve(root, 'build/cmake');
  const own = process.env.ATTUNE_NATIVE;
  return [...(own ? [resolve(own)] : []), resolve(build, 'Release/attune.node'), resolve(build, 'Debug/attune.node')];
}

/** Loads the addon once. Throws `native_missing` when it has not been built. */
export function addon(): Addon {
  if (loaded) return loaded;
  const path = addonCandidates().find((candidate) => existsSync(candidate));
  if (!path)
    throw new WorkError('native_missing', 'the native addon is not built yet; run `npx attune build` (in a clone: `npm run build`)');
  try {
    loaded = require(path) as Addon;
  } catch (cause) {
    throw new WorkError(
      'native_broken',
      `the native addon at ${path} does not load (${(cause as Error).message}); run \`npx attune build\``,
      { cause },
    );
  }
  return loaded;
}

const DATA_CODES = new Set(['tensor_not_finite', 'tensor_missing', 'tensor_shape', 'tensor_file', 'adapter_shape']);
const REQUEST_CODES = new Set(['kernel_arguments', 'model_arguments', 'adapter_target']);

/** A native failure as one of attune's errors, with the caller's stack. */
function nativeError(error: unknown): AttuneError {
  if (error instanceof AttuneError) return error;
  const { code = 'native_failure', message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  if (DATA_CODES.has(code)) return new DataError(code, message, { cause: error });
  if (REQUEST_CODES.has(code)) return new RequestError(code, message, { cause: error });
  return new WorkError(code, message, { cause: error });
}

/** Calls native code and turns what it throws into attune's errors. */
export function guarded<T>(run: () => T): T {
  try {
    const result = run();
    if (result instanceof Promise) return result.catch((error) => Promise.reject(nativeError(error))) as T;
    return result;
  } catch (error) {
    throw nativeError(error);
  }
}

/** What makes an object of native code that lives on. */
const MAKERS = new Set<string | symbol>(['startGeneration', 'startRollout']);

/** A native object, whose methods and properties throw attune's errors, as do those of the objects that it makes. */
export function withTypedErrors<T extends object>(native: T): T {
  return new Proxy(native, {
    get(target, key) {
      const value: unknown = guarded(() => Reflect.get(target, key, target));
      if (typeof value !== 'function' || key === 'constructor') return value;
      const call = (...args: unknown[]) => guarded(() => value.apply(target, args));
      return MAKERS.has(key) ? (...args: unknown[]) => withTypedErrors(call(...args)) : call;
    },
  });
}
