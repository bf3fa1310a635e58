"""Records, for a tiny random checkpoint of each family: logits, loss and the gradient of every tensor, of all weights and of a LoRA adapter.

usage: python families.py [NAME …]        writes fixtures/NAME/{config.json,model.safetensors,expected.safetensors,expected.json}

Figures are PyTorch's in float64 (gradients and logits rounded to float32). `errors` is how far PyTorch itself is off in float32 and in bfloat16,
the measure for attune's own bf16. transformers computes norms and rotary angles in float32 in every dtype; that is part of the figures.
"""
import json
import sys

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

import tiny

RANK, ALPHA = 3, 6


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


def adapted(folder, dtype):
    """The model with a LoRA adapter whose B is not zero, its numbers the same in every dtype. -> model, {name: tensor}
    Loaded in `dtype`, not cast to it: a cast would round the rotary frequencies too. In bfloat16 PEFT keeps adapters in float32."""
    model = get_peft_model(tiny.load(folder, dtype), LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=tiny.LINEAR, lora_dropout=0.0, task_type="CAUSAL_LM"))
    draw, start = torch.Generator().manual_seed(5), {}
    for name, weight in model.named_parameters():
        if "lora_" in name:
            scale = 0.1 if "lora_B" in name else weight.shape[1] ** -0.5
            start[name] = torch.randn(weight.shape, generator=draw) * scale
            weight.data = start[name].to(torch.float64 if dtype == torch.float64 else torch.float32)
    return model, start


def record(name):
    folder = tiny.write(name)
    config = transformers.AutoConfig.from_pretrained(folder)
    rows = tiny.batch(name, config.vocab_size, tiny.LENGTHS)
    loss, logits, gradient, errors = tiny.figures(lambda dtype: tiny.load(folder, dtype), rows)
    _, start = adapted(folder, torch.float32)
    low_loss, _, low_gradient, low_errors = tiny.figures(lambda dtype: adapted(folder, dtype)[0], rows)
    tensors = {"logits": logits, **{f"gradient/{n}": t for n, t in gradient.items()},
               **{f"adapter/{tiny.short(n)}": t for n, t in start.items()}, **{f"adapter_gradient/{tiny.short(n)}": t for n, t in low_gradient.items()}}
    save_file({n: t.float().contiguous() for n, t in tensors.items()}, folder / "expected.safetensors")
    for e in (*errors.values(), *low_errors.values()):
        e["gradients"] = {tiny.short(n): float(f"{v:.3g}") for n, v in e["gradients"].items()}
    answer = {"versions": tiny.VERSIONS, "network": network(config), "ids": [i for i, _ in rows], "trained": [m for _, m in rows],
              "loss": loss, "gradientNorm": tiny.norm(gradient), "errors": errors,
              "adapter": {"rank": RANK, "alpha": ALPHA, "loss": low_loss, "gradientNorm": tiny.norm(low_gradient), "errors": low_errors}}
    (folder / "expected.json").write_text(json.dumps(answer, separators=(",", ":")) + "\n")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name:13} loss {loss:.4f}  |g| {tiny.norm(gradient):.4f}  PyTorch's errors: f32 {errors['f32']['gradient']:.1e}, bf16 {errors['bf16']['gradient']:.1e} "
          f"(LoRA {low_errors['bf16']['gradient']:.1e}), loss bf16 {errors['bf16']['loss']:.1e}   {size >> 10} KiB")


print(tiny.VERSIONS)
for name in sys.argv[1:] or tiny.FAMILIES:
    record(name)
