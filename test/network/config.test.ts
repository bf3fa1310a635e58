import { describe, expect, it } from 'vitest';
import { DataError } from '../../lib/errors/index.js';
import type { NetworkConfig } from '../../lib/native.js';
import { contextOf, networkConfig } from '../../lib/network/config.js';
import { type JsonObject, TINY_CONFIG } from '../support/tiny_model.js';
import { ENCODERS, FAMILIES, family as fixture } from '../transformer/fixtures.js';

const OUT = undefined;
const read = (change: JsonObject = {}) => networkConfig(JSON.parse(JSON.stringify({ ...TINY_CONFIG, ...change })), 'config.json');
const family = (kind: string, change: JsonObject = {}) =>
  read({ architectures: [`${kind}ForCausalLM`], model_type: kind.toLowerCase(), ...change });

function fault(change: JsonObject): string {
  try {
    read(change);
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as Error).message;
  }
  throw new Error('no error');
}

describe('config.json', () => {
  it('gives the shape of a network', () => {
    const { tensors, ...sizes } = read();
    expect(tensors).toHaveLength(1 + 2 * 9 + 1);
    expect(sizes).toEqual({
      vocabulary: 264,
      hidden: 32,
      inner: 48,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      headSize: 8,
      eps: 1e-5,
      context: 256,
      types: 0,
      tied: true,
      copies: { 'lm_head.weight': 'model.embed_tokens.weight' },
      norm: 'rms',
      normPlace: 'before',
      activation: 'silu',
      gated: true,
      causal: true,
      positions: 'rotary',
      windows: [0, 0],
      rotary: {
        kind: 'standard',
        base: 10000,
        factor: 1,
        lowFreqFactor: 1,
        highFreqFactor: 1,
        originalContext: 256,
        context: 256,
        betaFast: 32,
        betaSlow: 1,
        attentionFactor: 1,
      },
    });
  });

  it('has the defaults of transformers for what is left out', () => {
    const bare = read({
      num_key_value_heads: OUT,
      rms_norm_eps: OUT,
      tie_word_embeddings: OUT,
      rope_theta: OUT,
      max_position_embeddings: OUT,
    });
    expect(bare).toMatchObject({ kvHeads: 4, eps: 1e-6, tied: false, context: 2048, rotary: { base: 10000 } });
    expect(family('Qwen3', { num_attention_heads: 64, num_key_value_heads: OUT })).toMatchObject({
      kvHeads: 32,
      headSize: 128,
    });
    expect(family('Mistral', { num_attention_heads: 8, num_key_value_heads: OUT })).toMatchObject({ kvHeads: 8 });
  });

  it('knows the biases of each family', () => {
    const has = ({ tensors }: NetworkConfig, place: string) =>
      tensors.some(({ bias, places }) => bias && places.some((one) => one === place));
    const biases = (config: NetworkConfig) => [has(config, 'query'), has(config, 'output'), has(config, 'down')];
    expect(biases(read({ attention_bias: true, mlp_bias: true }))).toEqual([true, true, true]);
    expect(biases(family('Mistral', { attention_bias: true }))).toEqual([false, false, false]);
    expect(biases(family('Qwen2'))).toEqual([true, false, false]);
    expect(biases(family('Qwen3', { attention_bias: true }))).toEqual([true, true, false]);
  });

  it.each<[string, JsonObject, number[]]>([
    ['Llama', { sliding_window: 24 }, [0, 0, 0]],
    ['Mistral', { sliding_window: 24 }, [24, 24, 24]],
    ['Mistral', { sliding_window: null }, [0, 0, 0]],
    ['Mistral', {}, [4096, 4096, 4096]],
    ['Qwen2', { sliding_window: 16, use_sliding_window: false, max_window_layers: 1 }, [0, 0, 0]],
    ['Qwen2', { sliding_window: 16, use_sliding_window: true, max_window_layers: 1 }, [0, 16, 16]],
    ['Qwen3', { sliding_window: 16, use_sliding_window: true, max_window_layers: 0 }, [16, 16, 16]],
    ['Qwen3', { sliding_window: null, use_sliding_window: true, max_window_layers: 0 }, [0, 0, 0]],
    [
      'Qwen3',
      { sliding_window: 16, use_sliding_window: true, layer_types: ['sliding_attention', 'full_attention', 'full_attention'] },
      [16, 0, 0],
    ],
  ])('has the windows of %s with %o', (kind, change, windows) => {
    expect(family(kind, { num_hidden_layers: 3, ...change }).windows).toEqual(windows);
  });

  it.each<[string, JsonObject, JsonObject]>([
    ['linear, type', { rope_scaling: { type: 'linear', factor: 4 } }, { kind: 'linear', factor: 4, base: 10000 }],
    [
      'linear, new',
      { rope_theta: OUT, rope_parameters: { rope_type: 'linear', factor: 2.5, rope_theta: 5000 } },
      { factor: 2.5, base: 5000 },
    ],
    ['default, new', { rope_theta: OUT, rope_parameters: { rope_type: 'default', rope_theta: 7 } }, { kind: 'standard', base: 7 }],
    ['null', { rope_scaling: null, rope_theta: 5 }, { kind: 'standard', base: 5 }],
    [
      'llama3',
      { rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 } },
      { kind: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContext: 64 },
    ],
    [
      'yarn',
      { rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 64 } },
      { kind: 'yarn', factor: 4, originalContext: 64, betaFast: 32, betaSlow: 1, attentionFactor: 0.1 * Math.log(4) + 1 },
    ],
    [
      'yarn with all its keys',
      { rope_parameters: { rope_type: 'yarn', factor: 8, beta_fast: 8, beta_slow: 2, attention_factor: 1.4 } },
      { factor: 8, originalContext: 256, betaFast: 8, betaSlow: 2, attentionFactor: 1.4 },
    ],
    ['dynamic', { rope_scaling: { type: 'dynamic', factor: 4 } }, { kind: 'dynamic', factor: 4, context: 256 }],
  ])('reads the rope scaling %s', (_name, change, expected) => {
    expect(read(change).rotary).toMatchObject(expected);
  });

  it('has a wider context with dynamic scaling alone', () => {
    expect(contextOf(read({ rope_scaling: { type: 'dynamic', factor: 4 } }))).toBe(1024);
    expect(contextOf(read({ rope_scaling: { type: 'linear', factor: 4 } }))).toBe(256);
  });

  it.each<[string, JsonObject, string[]]>([
    [
      'an unknown architecture',
      { architectures: ['FooForCausalLM'], model_type: 'foo' },
      ['Foo', 'foo', 'Llama', 'Mistral', 'Qwen2', 'Qwen3'],
    ],
    ['no architecture', { architectures: OUT, model_type: 'gpt_neox' }, ['gpt_neox', 'LlamaForCausalLM']],
    ['a prototype’s name', { architectures: ['constructor'] }, ['constructor', 'LlamaForCausalLM']],
    ['a word for a number', { hidden_size: 'wide' }, ['hidden_size', 'wide']],
    ['a fraction', { num_hidden_layers: 2.5 }, ['num_hidden_layers', '2.5']],
    ['a missing key', { intermediate_size: OUT }, ['intermediate_size', 'missing']],
    [
      'heads that do not divide the width',
      { num_attention_heads: 7, num_key_value_heads: 7, head_dim: null },
      ['num_attention_heads', '32', '7'],
    ],
    ['groups of unequal size', { num_key_value_heads: 3 }, ['num_attention_heads', '3']],
    ['an odd head size', { head_dim: 7 }, ['head_dim']],
    ['an unknown rope scaling', { rope_scaling: { type: 'longrope' } }, ['longrope', 'default, linear, dynamic, llama3, yarn']],
    ['a rope scaling without its factor', { rope_scaling: { type: 'linear' } }, ['rope_scaling.factor']],
    ['another activation', { hidden_act: 'gelu' }, ['hidden_act', 'gelu']],
    ['quantised weights', { quantization_config: { bits: 4 } }, ['quantization_config']],
  ])('refuses %s', (_name, change, words) => {
    const message = fault(change);
    for (const word of ['config.json', ...words]) expect(message).toContain(word);
  });
});

describe('the tensors that a config asks for', () => {
  it('are those of transformers', () => {
    const names = family('Qwen3', { num_hidden_layers: 1, attention_bias: true, tie_word_embeddings: false }).tensors.map(
      ({ name }) => name,
    );
    expect(names).toHaveLength(1 + 4 + 4 + 2 + 2 + 3 + 2);
    expect(names).toContain('model.layers.0.self_attn.k_norm.weight');
    expect(names).toContain('model.layers.0.self_attn.o_proj.bias');
    expect(names.at(-1)).toBe('lm_head.weight');
    expect(read().tensors.map(({ name }) => name)).not.toContain('lm_head.weight');
  });
});

describe('sizes of recorded networks', () => {
  it.each([...FAMILIES, ...ENCODERS])('%s: as transformers reads its config.json', (name) => {
    const { network, recorded } = fixture(name);
    const { encoder, queryKeyValueBias, outputBias, mlpBias, queryKeyNorm, rotary, ...sizes } = recorded;
    expect(network).toMatchObject({ ...sizes, types: encoder?.types ?? 0, activation: encoder?.activation ?? 'silu' });
    const has = (place: string, bias = false) => network.tensors.some((one) => one.places[0] === place && (one.bias ?? false) === bias);
    expect([has('query', true), has('output', true), has('down', true)]).toEqual([queryKeyValueBias, outputBias, mlpBias]);
    expect(has('queryNorm')).toBe(queryKeyNorm);
    if (rotary === undefined) return;
    const { attentionFactor, ...turned } = rotary;
    expect(network.rotary).toMatchObject(turned);
    if (attentionFactor !== 0) expect(network.rotary).toMatchObject({ attentionFactor });
  });
});
