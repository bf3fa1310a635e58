/** Writes a LoRA adapter as PEFT 0.21 does. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Adapter, factorShapes, HEAD_NAME, peftName } from './adapter.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from './adapter_folder.js';
import { type BaseName, baseName } from './base_name.js';
import { writeWhole } from './files.js';
import { writeSafetensors } from './safetensors.js';

/**
 * Writes adapter_config.json and adapter_model.safetensors (f32) into `folder`, which is made.
 * @param base what the adapter belongs to: an absolute path or a hub id, maybe with a revision
 */
export async function writeAdapter(folder: string, adapter: Adapter, base: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tensors = adapter.targets.flatMap((target) => {
    const shapes = factorShapes(target);
    return [
      { name: peftName(target.name, 'A'), shape: shapes.a, stored: 'f32' as const, pieces: () => [target.a] },
      { name: peftName(target.name, 'B'), shape: shapes.b, stored: 'f32' as const, pieces: () => [target.b] },
    ];
  });
  const { head } = adapter;
  if (head !== undefined) tensors.push({ name: HEAD_NAME, shape: [1, head.length], stored: 'f32', pieces: () => [head] });
  const inOrder = tensors.sort((x, y) => (x.name < y.name ? -1 : 1));
  await writeSafetensors(join(folder, ADAPTER_WEIGHTS), inOrder);
  await writeWhole(join(folder, ADAPTER_CONFIG), `${JSON.stringify(peftConfig(adapter, baseName(base)), undefined, 2)}\n`);
}

/** PEFT has no task of masked words: an encoder's adapter names none. */
const taskOf = ([first]: Adapter['targets']) => (/^(bert|cls)\./.test(first?.name ?? '') ? null : 'CAUSAL_LM');

/** Every key that PEFT 0.21 writes for a LoRA adapter. */
function peftConfig({ rank, alpha, rsLora, dropout, selection, targets, head }: Adapter, base: BaseName): Record<string, unknown> {
  return {
    alora_invocation_tokens: null,
    alpha_pattern: {},
    arrow_config: null,
    auto_mapping: null,
    base_model_name_or_path: base.name,
    bias: 'none',
    corda_config: null,
    ensure_weight_tying: false,
    eva_config: null,
    exclude_modules: selection.excludeModules ?? null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layer_replication: null,
    layers_pattern: selection.layersPattern ?? null,
    layers_to_transform: selection.layersToTransform ?? null,
    loftq_config: {},
    lora_alpha: alpha,
    lora_bias: false,
    lora_dropout: dropout,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: head === undefined ? null : ['score'],
    peft_type: 'LORA',
    peft_version: '0.21.0',
    qalora_group_size: 16,
    r: rank,
    rank_pattern: {},
    revision: base.revision,
    target_modules: selection.targetModules,
    target_parameters: null,
    task_type: head === undefined ? taskOf(targets) : 'SEQ_CLS',
    trainable_token_indices: null,
    use_bdlora: null,
    use_dora: false,
    use_qalora: false,
    use_rslora: rsLora,
  };
}
