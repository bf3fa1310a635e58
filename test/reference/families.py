"""Records, for a tiny random checkpoint of each family: logits, loss and the gradient of every tensor, of all weights and of a LoRA adapter.

usage: python families.py [NAME …]        writes fixtures/NAME/{config.json,model.safetensors,expected.safetensors,expected.json}

Figures are PyTorch's in float64 (gradients and logits rounded to float32). `errors` is how far PyTorch itself is off in float32 and in bfloat16,
the measure for attune's own bf16. transformers computes norms and rotary angles in float32 in every dtype; that is part of the figures.
"""
import sys

import checkpoint_figures
import transformers

import tiny


def network(config):
    """lib/native.ts NetworkConfig of transformers' own reading of config.json."""
    rope, heads = dict(config.rope_parameters), config.num_attention_heads
    kind = {"default": "standard"}.get(rope["rope_type"], rope["rope_type"])
    types = getattr(config, "layer_types", None) or ["sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"] * config.num_hidden_layers
    llama_bias = bool(getattr(config, "attention_bias", False))
    return {
        "vocabulary": config.vocab_size, "hidden": config.hidden_size, "inner": config.intermediate_size, "layers": config.num_hidden_layers, "heads": heads,
        "kvHeads": config.num_key_value_heads, "headSize": getattr(config, "head_dim", None) or config.hidden_size // heads, "eps": config.rms_norm_eps,
        "context": config.max_position_embeddings, "tied": config.tie_word_embeddings, "queryKeyValueBias": llama_bias or config.model_type == "qwen2",
        "outputBias": llama_bias, "mlpBias": bool(getattr(config, "mlp_bias", False)), "queryKeyNorm": config.model_type == "qwen3",
        "windows": [config.sliding_window if t == "sliding_attention" else 0 for t in types],
        "rotary": {"kind": kind, "base": rope["rope_theta"], "factor": rope.get("factor", 1), "lowFreqFactor": rope.get("low_freq_factor", 1),
                   "highFreqFactor": rope.get("high_freq_factor", 1), "originalContext": rope.get("original_max_position_embeddings") or config.max_position_embeddings,
                   "context": config.max_position_embeddings, "betaFast": rope.get("beta_fast") or 32, "betaSlow": rope.get("beta_slow") or 1,
                   "attentionFactor": rope.get("attention_factor") or 0},
    }


LORA = {"target_modules": tiny.LINEAR, "task_type": "CAUSAL_LM"}

print(tiny.VERSIONS)
for name in sys.argv[1:] or tiny.FAMILIES:
    folder = tiny.write(name)
    vocabulary = transformers.AutoConfig.from_pretrained(folder).vocab_size
    checkpoint_figures.record(folder, tiny.batch(name, vocabulary, tiny.LENGTHS), "trained", tiny.load, LORA, network)
