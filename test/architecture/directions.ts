// Who may import whom: the two tables, and the pure functions that judge one import by them. What is not listed is forbidden.
import { posix } from 'node:path';
import type { Import, Include } from './source.js';

/** What a room of lib may import beside itself. `type` marks rooms of which only types may be taken. */
interface LibRoom {
  rooms: readonly string[];
  types?: readonly string[];
}

const ALL = [
  'errors',
  'json',
  'files',
  'processes',
  'options',
  'native',
  'kernels',
  'data',
  'tokenizer',
  'network',
  'checkpoint',
  'methods',
  'recipe',
  'model',
  'training',
  'evaluation',
  'guide',
];

/** What the rooms of lib/data and of lib/training may import outside of their own. */
const DATA = ['errors', 'json', 'processes', 'options', 'native', 'data'];
const TRAINING = [
  ...[
    'errors',
    'json',
    'files',
    'options',
    'data',
    'tokenizer',
    'methods',
    'recipe',
    'network',
    'checkpoint',
    'model',
    'native',
    'training',
  ],
];

const LIB: Record<string, LibRoom> = {
  errors: { rooms: [] },
  // JSON and its values, for whoever reads files.
  json: { rooms: [] },
  // Programs that may hang or die, for whoever reads foreign files.
  processes: { rooms: [] },
  // Files of JSON, and values of them with the type that they must have.
  files: { rooms: ['errors', 'json'] },
  // A schema's whole point is its message: it throws the typed errors.
  options: { rooms: ['errors'] },
  native: { rooms: ['errors'] },
  kernels: { rooms: ['errors', 'native'] },
  // lib/data itself is its index and the types that all its rooms share; a row goes down through them.
  data: { rooms: ['data/read', 'data/rows', 'data/text', 'data/sequences', 'data/batch', 'data/order', ...DATA] },
  'data/read': { rooms: DATA },
  'data/rows': { rooms: [...DATA, 'data/read'] },
  'data/text': { rooms: [...DATA, 'data/read', 'data/rows'] },
  'data/sequences': { rooms: [...DATA, 'data/read', 'data/rows', 'data/text'] },
  'data/batch': { rooms: [...DATA, 'data/sequences'] },
  'data/order': { rooms: [...DATA, 'data/sequences'] },
  tokenizer: { rooms: ['errors', 'json', 'processes', 'options', 'native'] },
  // What a network is: config.json as sizes, facts and a table of tensors.
  network: { rooms: ['errors', 'files'], types: ['native'] },
  checkpoint: { rooms: ['errors', 'json', 'files', 'options', 'native', 'network'] },
  // Pure functions: they never reach the addon or the loop.
  methods: { rooms: ['errors'], types: ['data'] },
  // What a recipe is: it asks each method for its schema.
  recipe: { rooms: ['errors', 'options', 'methods'] },
  // A loaded model: batches through it, there and back.
  model: { rooms: ['errors', 'data', 'native'], types: ['methods'] },
  // lib/training itself is the events. A run takes steps and rollouts, both look at models that stand still.
  training: { rooms: TRAINING },
  'training/reference': { rooms: TRAINING },
  'training/step': { rooms: [...TRAINING, 'training/reference'] },
  'training/rollout': { rooms: [...TRAINING, 'training/reference', 'training/step'] },
  'training/run': { rooms: [...TRAINING, 'training/reference', 'training/step', 'training/rollout'] },
  evaluation: {
    rooms: ['errors', 'json', 'files', 'options', 'data', 'tokenizer', 'methods', 'recipe', 'network', 'checkpoint', 'model', 'native'],
  },
  guide: { rooms: ['errors', 'recipe', 'methods'] },
  index: { rooms: ALL },
  cli: { rooms: [...ALL, 'index'] },
};

/** Folders of lib that are rooms within a room. */
const SPLIT = ['data', 'training'];

/** `lib/data/read/glob.ts` is of room `data/read`, `lib/data/types.ts` of room `data`, `lib/native.ts` of room `native`. */
function libRoom(path: string): string | undefined {
  const [, room, inner] = path.match(/^lib\/([^/.]+)(?:\/([^/.]+)(?=\/))?/) ?? [];
  return room !== undefined && inner !== undefined && SPLIT.includes(room) ? `${room}/${inner}` : room;
}

/** Whether a room, or the room that it is a part of, is among those that `from` may import. */
function isAmong(rooms: readonly string[], to: string, from: string): boolean {
  const [whole = to] = to.split('/');
  return rooms.includes(to) || (whole !== from.split('/')[0] && rooms.includes(whole));
}

/** Why `file` may not have this import, or undefined. */
export function libFault(file: string, { specifier, typeOnly }: Import): string | undefined {
  const from = libRoom(file) ?? '';
  const allowed = LIB[from];
  if (allowed === undefined) return `${file}: room '${from}' is not in the table of test/architecture/directions.ts`;
  if (!specifier.startsWith('.')) return undefined;
  const target = posix.join(posix.dirname(file), specifier);
  const to = libRoom(target);
  if (to === undefined) return `${file}: imports ${target}, outside lib`;
  if (to === from || isAmong(allowed.rooms, to, from)) return undefined;
  if (isAmong(allowed.types ?? [], to, from)) return typeOnly ? undefined : `${file}: may import types of ${to} only, imports ${specifier}`;
  return `${file}: ${from} may not import ${to} (${specifier})`;
}

/** What a room of native may include beside itself; `kernels` stands for each kernel room, which may also include others of its kind. */
const NATIVE: Record<string, readonly string[]> = {
  base: [],
  cpu: ['base'],
  cuda: ['base'],
  cluster: ['base'],
  kernels: ['base', 'cpu', 'cuda', 'kernels'],
  // Facts of a network; of kernels the plain structs by which a rotary embedding and an activation are said.
  'transformer/network': ['kernels', 'base'],
  // Which pieces a layer has, forward and backward, told of any engine.
  'transformer/blocks': ['transformer/network'],
  // engine.h, the surface of a device: plain data; of kernels the structs of a step and of a draw.
  engine: ['transformer/network', 'kernels', 'base'],
  // engine.cpp chooses the device.
  devices: ['engine', 'transformer/cpu', 'transformer/plain', 'base'],
  // The engine owns the team of threads and the buffers that it hands to the kernels.
  'transformer/cpu': ['engine', 'transformer/blocks', 'transformer/network', 'kernels', 'cpu', 'base'],
  // The second engine, which shares nothing with the first but the blocks.
  'transformer/plain': ['engine', 'transformer/blocks', 'transformer/network', 'base'],
  'transformer/generation': ['engine', 'transformer/network', 'base'],
  // And cpu, for its facts: `doctor` and the kernel table tell which instruction sets and how many threads there are.
  binding: ['engine', 'transformer/generation', 'transformer/network', 'kernels', 'cpu', 'base'],
};

/**
 * `kernels/matmul/matmul.cpp` is of room `kernels`, its kernel is `matmul`; the transformer's folders are rooms, and so are the two files beside them.
 * Paths are from native/.
 */
function nativeRoom(path: string): string {
  if (path.startsWith('transformer/engine.')) return path.endsWith('.h') ? 'engine' : 'devices';
  return path.match(/^transformer\/[^/]+(?=\/)/)?.[0] ?? path.split('/')[0] ?? '';
}
export const kernelOf = (path: string) => path.match(/^kernels\/([^/]+)\//)?.[1];

/** Why `file` (from native/) may not have this include, or undefined. */
export function nativeFault(file: string, { path, system }: Include): string | undefined {
  const [from, to] = [nativeRoom(file), nativeRoom(path)];
  const allowed = NATIVE[from];
  if (allowed === undefined) return `native/${file}: room '${from}' is not in the table of test/architecture/directions.ts`;
  if (system) return path === 'napi.h' && from !== 'binding' ? `native/${file}: only native/binding knows Node` : undefined;
  if (!(to in NATIVE) || !path.includes('/')) return `native/${file}: write includes from native/, as "base/types.h"; got "${path}"`;
  if (path === 'napi.h' || path.endsWith('/napi.h')) return `native/${file}: include <napi.h>, and only in native/binding`;
  if (from !== to && !allowed.includes(to)) return `native/${file}: ${from} may not include ${to} ("${path}")`;
  const foreignKernel = to === 'kernels' && kernelOf(path) !== kernelOf(file);
  if (foreignKernel && !path.endsWith('.h')) return `native/${file}: a kernel is reached through its .h, got "${path}"`;
  return undefined;
}

/** Kernel rooms that include each other in a circle, as `a → b → a`, or undefined: "downward" needs a top and a bottom. */
export function circle(edges: ReadonlyMap<string, ReadonlySet<string>>): string | undefined {
  const done = new Set<string>();
  const visit = (room: string, trail: readonly string[]): string | undefined => {
    if (trail.includes(room)) return [...trail.slice(trail.indexOf(room)), room].join(' → ');
    if (done.has(room)) return undefined;
    for (const next of edges.get(room) ?? []) {
      const found = visit(next, [...trail, room]);
      if (found) return found;
    }
    done.add(room);
    return undefined;
  };
  for (const room of edges.keys()) {
    const found = visit(room, []);
    if (found) return found;
  }
  return undefined;
}
