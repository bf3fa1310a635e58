// PEFT adapters for tiny models.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generator, type JsonObject, packTensors, type RawTensor, safetensorsBytes } from './tiny_model.js';

/** Writes a PEFT adapter whose B is not zero. `edit` may bend config and tensors first. */
export function writeTinyAdapter(
  folder: string,
  targets: { name: string; inputs: number; outputs: number }[],
  { rank = 4, alpha = 8, seed = 3, edit = (_config: JsonObject, tensors: RawTensor[]) => tensors } = {},
): string {
  const draw = generator(seed);
  const factor = (name: string, shape: number[], spread: number): RawTensor => {
    const values = Float32Array.from({ length: (shape[0] as number) * (shape[1] as number) }, () => spread * draw());
    return { name, dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) };
  };
  const tensors = targets.flatMap(({ name, inputs, outputs }) => [
    factor(`base_model.model.${name}.lora_A.weight`, [rank, inputs], 0.2),
    factor(`base_model.model.${name}.lora_B.weight`, [outputs, rank], 0.2),
  ]);
  const modules = [...new Set(targets.map(({ name }) => name.split('.').at(-1)))];
  const config: JsonObject = {
    peft_type: 'LORA',
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: 'none',
    target_modules: modules,
    task_type: 'CAUSAL_LM',
  };
  const { header, data } = packTensors(edit(config, tensors));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'adapter_model.safetensors'), safetensorsBytes(header, data));
  return folder;
}
