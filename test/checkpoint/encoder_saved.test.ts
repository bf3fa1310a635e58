// Encoders as transformers itself saved them (test/reference/encoders.py): the network that it read from config.json, and just the tensors of its file.
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { loadNative } from '../../lib/checkpoint/native_model.js';
import { readTensor } from '../../lib/checkpoint/safetensors.js';
import { writeModelFolder } from '../../lib/checkpoint/write_model.js';
import { compare } from '../kernels/harness.js';
import { scratchFolder } from '../support/tiny_model.js';
import { batchFrom, ENCODERS, FIXTURES, family, hasModel, storedTensors } from '../transformer/fixtures.js';

const shapes = (file: string) => new Map(storedTensors(file).map(({ name, shape, stored }) => [name, `${stored} ${shape}`]));

describe.each(ENCODERS)('%s', (name) => {
  const { network, expected, ...rows } = family(name);
  const folder = resolve(FIXTURES, name);

  it('is read from config.json as transformers reads it', async () => {
    const { rotary: _, ...config } = (await openModelFolder(folder)).config;
    expect(config).toEqual(network);
  });

  it('is written with the tensors that transformers writes, number for number', async () => {
    const base = await openModelFolder(folder);
    const out = resolve(scratchFolder(), name);
    const tensors = base.tensors.map((tensor) => ({
      ...tensor,
      pieces: async function* () {
        yield await readTensor(tensor);
      },
    }));
    await writeModelFolder(out, { base, tensors });
    expect(shapes(resolve(out, 'model.safetensors'))).toEqual(shapes(resolve(folder, 'model.safetensors')));
    const again = await openModelFolder(out);
    for (const [n, tensor] of again.tensors.entries()) expect(await readTensor(tensor)).toEqual(await readTensor(base.tensors[n]!));
  });

  it.skipIf(!hasModel)('has the logits of transformers when opened as a folder', async () => {
    const model = await loadNative(await openModelFolder(folder), { dtype: 'f32', threads: 1 });
    const { tokens, sequenceStarts } = batchFrom(rows);
    compare(await model.logits(tokens, sequenceStarts), expected.get('logits')!.values, 1e-4, 'logit');
    model.dispose();
  });
});
