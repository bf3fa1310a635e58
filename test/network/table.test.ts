// The table of tensors says where a checkpoint's numbers go: fused and transposed tensors give the same network, bit for bit, and a table that does
// not fit is refused.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fromFloat32, STORED_BYTES, STORED_NAMES } from '../../lib/checkpoint/numbers.js';
import { storedTensor } from '../../lib/checkpoint/safetensors.js';
import { readHeader } from '../../lib/checkpoint/safetensors_header.js';
import {
  addon,
  guarded,
  type NativeModel,
  type NetworkConfig,
  type NetworkTensor,
  type Place,
  type StoredTensor,
  type StoredType,
} from '../../lib/native.js';
import { batchFrom, family, hasModel, type Tensor } from '../transformer/fixtures.js';

const scratch = mkdtempSync(join(tmpdir(), 'attune-table-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const source = family('biases');
const { network } = source;
/** Numbers of no pattern: norms about one, the rest about zero. */
const weights = new Map(
  network.tensors.map(({ name, shape }, nth): [string, Tensor] => {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: size }, (_, i) => 0.1 * Math.sin(7 * i + 13 * nth) + (name.includes('norm') ? 1 : 0));
    return [name, { shape, values }];
  }),
);
const batch = batchFrom(source);

let files = 0;
const newFile = () => join(scratch, `${files++}.safetensors`);

/** Tensors as a file of numbers, one behind the other; `gap` bytes before each. */
function stored(all: ReadonlyMap<string, Tensor>, type: StoredType = 'f32', gap = 0): StoredTensor[] {
  const path = newFile();
  let offset = 0;
  const list = [...all].map(([name, { shape, values }]): StoredTensor => {
    const one: StoredTensor = { name, path, offset: offset + gap, stored: type, shape };
    offset += gap + values.length * STORED_BYTES[type];
    return one;
  });
  writeFileSync(path, Buffer.concat([...all.values()].flatMap(({ values }) => [Buffer.alloc(gap), fromFloat32(values, type)])));
  return list;
}

/** The same as a safetensors file whose header has as many bytes as are told to it, blanks at its end. */
async function withHeader(all: ReadonlyMap<string, Tensor>, type: StoredType, remainder: number): Promise<StoredTensor[]> {
  const path = newFile();
  let offset = 0;
  const entries = [...all].map(([name, { shape, values }]) => {
    const begin = offset;
    offset += values.length * STORED_BYTES[type];
    return [name, { dtype: STORED_NAMES[type], shape, data_offsets: [begin, offset] }];
  });
  let header = JSON.stringify(Object.fromEntries(entries));
  while ((8 + header.length) % 8 !== remainder) header += ' ';
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([size, Buffer.from(header), ...[...all.values()].map(({ values }) => fromFloat32(values, type))]));
  return (await readHeader(path)).map((entry) => storedTensor(entry, path));
}

const joined = (parts: Tensor[]): Tensor => ({
  shape: [parts.reduce((sum, { shape }) => sum + shape[0]!, 0), ...parts[0]!.shape.slice(1)],
  values: Float32Array.from(parts.flatMap(({ values }) => [...values])),
});

function turned({ shape, values }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  return {
    shape: [columns, rows],
    values: Float32Array.from({ length: values.length }, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!),
  };
}

/** The same network in a file that stores q, k and v, and gate and up, as one tensor each. */
function fused(): { table: NetworkTensor[]; file: Map<string, Tensor> } {
  const file = new Map(weights);
  const table: NetworkTensor[] = [];
  const groups: Place[][] = [
    ['query', 'key', 'value'],
    ['gate', 'up'],
  ];
  for (const one of network.tensors) {
    const group = groups.find((places) => places.includes(one.places[0]!));
    if (group === undefined) table.push(one);
    if (group === undefined || group[0] !== one.places[0]) continue;
    const own = group.map((place) => network.tensors.find((t) => t.places[0] === place && t.layer === one.layer && t.bias === one.bias)!);
    const name = one.name.replace(/[a-z]+_proj/, 'fused_proj');
    const all = joined(own.map((t) => weights.get(t.name)!));
    table.push({ ...one, name, places: group, shape: all.shape });
    file.set(name, all);
  }
  return { table, file };
}

/** The same network in a file that stores linear layers (inputs, outputs). */
function transposed(): { table: NetworkTensor[]; file: Map<string, Tensor> } {
  const file = new Map(weights);
  const linear = ({ places: [place], bias }: NetworkTensor) => !bias && ['query', 'output', 'gate', 'down'].includes(place!);
  const table = network.tensors.map((one) => {
    if (!linear(one)) return one;
    const other = turned(weights.get(one.name)!);
    file.set(one.name, other);
    return { ...one, transposed: true, shape: other.shape };
  });
  return { table, file };
}

const open = (config: NetworkConfig, tensors: StoredTensor[], dtype: 'f32' | 'bf16'): Promise<NativeModel> =>
  guarded(() => addon().loadModel({ config, tensors, dtype, threads: 1, train: 'all', recomputeActivations: false }));
const load = (config: NetworkConfig, file: ReadonlyMap<string, Tensor>, dtype: 'f32' | 'bf16') => open(config, stored(file), dtype);

/** Log-probabilities of the batch, and the gradients of all tensors by name, after one pass there and back. */
async function passed(model: NativeModel): Promise<{ logprob: Float32Array; gradients: Map<string, Float32Array> }> {
  const { logprob } = await model.forward(batch, { keep: true });
  await model.backward({ logprob: new Float32Array(logprob.length).fill(-1) });
  const gradients = new Map<string, Float32Array>();
  for (const { name } of model.parameters('')) gradients.set(name, await model.read(name, 'gradient', ''));
  model.dispose();
  return { logprob, gradients };
}

describe.skipIf(!hasModel)('a table of tensors', () => {
  it.each([
    ['fused', 'f32', fused],
    ['fused', 'bf16', fused],
    ['transposed', 'f32', transposed],
    ['transposed', 'bf16', transposed],
  ] as const)('gives the same network from %s tensors (%s)', async (_kind, dtype, make) => {
    const { table, file } = make();
    const plain = await passed(await load(network, weights, dtype));
    const other = await passed(await load({ ...network, tensors: table }, file, dtype));
    expect(other.logprob).toEqual(plain.logprob);
    for (const { name, places, layer, bias, transposed: isTurned, shape } of table) {
      const parts = places.map((place) => network.tensors.find((t) => t.places[0] === place && t.layer === layer && t.bias === bias)!);
      const expected = joined(parts.map((t) => ({ shape: t.shape, values: plain.gradients.get(t.name)! })));
      const given = { shape, values: other.gradients.get(name)! };
      expect((isTurned ? turned(given) : given).values, name).toEqual(expected.values);
    }
  });

  // A header of safetensors has any length, so that a mapped file has its numbers at any address.
  it.each(['f32', 'bf16', 'f16'] as const)('reads numbers at any address of a file (%s)', async (type) => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const plain = await passed(await open(network, stored(weights, type), dtype));
      for (const gap of [1, 3]) expect(await passed(await open(network, stored(weights, type, gap), dtype))).toEqual(plain);
      for (const remainder of [0, 1, 6]) {
        const tensors = await withHeader(weights, type, remainder);
        expect(tensors[0]!.offset % 8).toBe(remainder);
        expect(await passed(await open(network, tensors, dtype))).toEqual(plain);
      }
    }
  });

  it.each<[string, (table: NetworkTensor[]) => NetworkTensor[], string]>([
    ['lacks a tensor', (table) => table.filter(({ places }) => places[0] !== 'down'), "nothing fills 'down' of layer 0"],
    ['fills a place twice', (table) => [...table, { ...table[0]!, name: 'again' }], "'words' of layer 0 is filled twice"],
    [
      'has a bias for one of three',
      (table) => table.filter(({ places, bias }) => !bias || places[0] !== 'key'),
      'have a bias both or neither',
    ],
    ['has a tensor of another kind', (table) => [...table, { ...table[0]!, name: 'more', places: ['positions'] }], "no 'positions'"],
    ['names a place that there is not', (table) => [...table, { ...table[0]!, places: ['router' as Place] }], "there is no place 'router'"],
    ['has a head of another block', (table) => [...table, { ...table[0]!, name: 'more', places: ['headDense'] }], "no 'headDense'"],
    ['turns a vector', (table) => table.map((one) => (one.places[0] === 'lastNorm' ? { ...one, transposed: true } : one)), 'is a vector'],
    ['has a layer too many', (table) => [...table, { ...table[1]!, layer: network.layers }], 'layer: expected a whole number from 0 to'],
  ])('is refused where it %s', async (_what, change, message) => {
    await expect(load({ ...network, tensors: change(network.tensors) }, weights, 'f32')).rejects.toThrow(message);
  });
});
