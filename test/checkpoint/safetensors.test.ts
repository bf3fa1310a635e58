import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromFloat32, toFloat32 } from '../../lib/checkpoint/numbers.js';
import { readTensor, storedTensor, writeSafetensors } from '../../lib/checkpoint/safetensors.js';
import { readHeader } from '../../lib/checkpoint/safetensors_header.js';
import { DataError } from '../../lib/errors/index.js';
import { type JsonObject, packTensors, safetensorsBytes, scratchFolder } from '../support/tiny_model.js';

const scratch = scratchFolder();
let files = 0;

function write(bytes: Uint8Array): string {
  const path = join(scratch, `${++files}.safetensors`);
  writeFileSync(path, bytes);
  return path;
}

const two = () =>
  packTensors([
    { name: 'first', dtype: 'F32', shape: [2, 3], bytes: new Uint8Array(24) },
    { name: 'second', dtype: 'BF16', shape: [4], bytes: new Uint8Array(8) },
  ]);

async function fault(bytes: Uint8Array): Promise<DataError> {
  const path = write(bytes);
  const error = await readHeader(path).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(DataError);
  expect((error as DataError).message).toContain(path);
  return error as DataError;
}

const bent = (change: (entries: Record<string, JsonObject>) => void) => {
  const { header, data } = two();
  change(header as Record<string, JsonObject>);
  return safetensorsBytes(header, data);
};

describe('the header of a safetensors file', () => {
  it('tells name, dtype, shape and place of every tensor', async () => {
    const { header, data } = two();
    const bytes = safetensorsBytes({ __metadata__: { format: 'pt' }, ...header }, data);
    const start = bytes.length - 32;
    expect(await readHeader(write(bytes))).toEqual([
      { name: 'first', dtype: 'F32', shape: [2, 3], offset: start, bytes: 24 },
      { name: 'second', dtype: 'BF16', shape: [4], offset: start + 24, bytes: 8 },
    ]);
  });

  it('is refused where it lies', async () => {
    const whole = bent(() => {});
    expect((await fault(new Uint8Array(0))).message).toContain('0 bytes');
    expect((await fault(whole.subarray(0, 40))).message).toContain('header claims');
    expect((await fault(whole.subarray(0, whole.length - 9))).message).toContain('first ends at byte');
    expect((await fault(Buffer.concat([Buffer.alloc(8, 0xff), whole.subarray(8)]))).message).toContain('18446744073709551615');
    expect((await fault(Buffer.concat([whole.subarray(0, 8), Buffer.from('!'), whole.subarray(9)]))).message).toContain(
      'header is no JSON',
    );
    const list = Buffer.alloc(10, '[]', 'latin1');
    list.writeBigUInt64LE(2n);
    expect((await fault(list)).message).toContain('no JSON object');
  });

  it.each<[string, (entries: Record<string, JsonObject>) => void, string[]]>([
    ['overlap', (h) => Object.assign(h.second as JsonObject, { data_offsets: [16, 24] }), ['second', 'first', 'overlap']],
    [
      'an end beyond the file',
      (h) => Object.assign(h.second as JsonObject, { data_offsets: [2 ** 40, 2 ** 40 + 8] }),
      ['second', 'ends at byte'],
    ],
    ['shape against size', (h) => Object.assign(h.first as JsonObject, { shape: [2, 2] }), ['first', '24 bytes', '[2, 2]', '16']],
    ['an unknown dtype', (h) => Object.assign(h.first as JsonObject, { dtype: 'F9' }), ['first', 'F9', 'BF16']],
    ['a prototype’s name as dtype', (h) => Object.assign(h.first as JsonObject, { dtype: 'toString' }), ['first']],
    ['negative sizes', (h) => Object.assign(h.first as JsonObject, { shape: [-2, -3] }), ['first', '[-2,-3]']],
    ['offsets in reverse', (h) => Object.assign(h.first as JsonObject, { data_offsets: [24, 0] }), ['first', '[24,0]']],
    ['no object', (h) => Object.assign(h, { first: null }), ['first']],
  ])('names the tensor of %s', async (_what, change, words) => {
    const { message } = await fault(bent(change));
    for (const word of words) expect(message).toContain(word);
  });

  it('survives any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await readHeader(write(bytes)).catch((error: unknown) => expect(error).toBeInstanceOf(DataError));
      }),
      { numRuns: 60 },
    );
  });

  it('says which numbers it does not compute with', () => {
    const entry = { name: 'ids', dtype: 'I64', shape: [1], offset: 8, bytes: 8 };
    expect(() => storedTensor(entry, 'x.safetensors')).toThrow(/ids is stored as I64/);
  });
});

describe('tensors', () => {
  it.each(['f32', 'f16', 'bf16'] as const)('come back from %s as they were written', async (stored) => {
    const folder = join(scratch, `written-${stored}`);
    mkdirSync(folder);
    const path = join(folder, 'x.safetensors');
    const values = Float32Array.from([0, -0, 1, -2.5, 0.125, 1024, 2 ** -14]);
    const tensors = [
      { name: 'empty', shape: [0, 4], stored, pieces: () => [] },
      { name: 'values', shape: [7], stored, pieces: () => [values.subarray(0, 3), fromFloat32(values.subarray(3), stored)] },
    ];
    await writeSafetensors(path, tensors);
    const entries = await readHeader(path);
    expect(entries.map(({ name, shape }) => [name, shape])).toEqual([
      ['empty', [0, 4]],
      ['values', [7]],
    ]);
    expect((entries[1]?.offset ?? 1) % 8).toBe(0);
    expect([...(await readTensor(storedTensor(entries[1] as never, path)))]).toEqual([...values]);
  });

  it('leave nothing behind when their values do not fit their shape', async () => {
    const folder = join(scratch, 'unfit');
    mkdirSync(folder);
    const tensor = { name: 'x', shape: [3], stored: 'f32' as const, pieces: () => [new Float32Array(2)] };
    await expect(writeSafetensors(join(folder, 'x.safetensors'), [tensor])).rejects.toThrow(/x: shape and values differ/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('are read from a place that is no multiple of their size', async () => {
    const { header, data } = packTensors([{ name: 'x', dtype: 'F32', shape: [1], bytes: new Uint8Array(Float32Array.of(7).buffer) }]);
    const path = write(safetensorsBytes({ ...header, __metadata__: { pad: 'z' } }, data));
    const [entry] = await readHeader(path);
    expect(readFileSync(path).length).toBeGreaterThan(8);
    expect([...(await readTensor(storedTensor(entry as never, path)))]).toEqual([7]);
  });
});

describe('half precision', () => {
  it('rounds to the nearest, ties to even', () => {
    const halves = (values: number[], stored: 'f16' | 'bf16') => [
      ...new Uint16Array(fromFloat32(Float32Array.from(values), stored).buffer),
    ];
    expect(halves([1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 65504, 65519, 65520, 2 ** -24, 2 ** -25, 1.5 * 2 ** -25, -1], 'f16')).toEqual([
      0x3c00, 0x3c00, 0x3c02, 0x7bff, 0x7bff, 0x7c00, 1, 0, 1, 0xbc00,
    ]);
    expect(halves([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.4e38, -2], 'bf16')).toEqual([0x3f80, 0x3f80, 0x3f82, 0x7f80, 0xc000]);
    expect(halves([Number.NaN, Number.POSITIVE_INFINITY], 'f16').map((h) => h & 0x7fff)).toEqual([0x7e00, 0x7c00]);
    expect(Number.isNaN(toFloat32(fromFloat32(Float32Array.of(Number.NaN), 'bf16'), 'bf16')[0])).toBe(true);
  });

  it.each(['f16', 'bf16'] as const)('gives back every %s number', (stored) => {
    const all = Uint16Array.from({ length: 65536 }, (_, n) => n);
    const values = toFloat32(new Uint8Array(all.buffer), stored);
    const back = new Uint16Array(fromFloat32(values, stored).buffer);
    const wrong = [...all].filter((half) => back[half] !== half && !Number.isNaN(values[half]));
    expect(wrong).toEqual([]);
  });
});
