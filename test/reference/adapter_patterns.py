"""Records rank and scale of each layer as PEFT gives them under rank_pattern and alpha_pattern, with and without rsLoRA.

usage: python adapter_patterns.py > adapter_patterns.json
"""
import json

import peft
import transformers

import tiny

PATTERNS = {
    "rank_pattern": {"q_proj": 2, r"layers\.1\..*_proj": 8, "v_proj": 3, "^model.layers.0.mlp.up_proj": 1},
    "alpha_pattern": {"layers.0.self_attn.q_proj": 5, "down_proj": 1},
}
SIZES = {"vocab_size": 264, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}


def layers(rs_lora):
    base = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES))
    config = peft.LoraConfig(r=4, lora_alpha=8, use_rslora=rs_lora, target_modules="all-linear", **PATTERNS)
    modules = peft.get_peft_model(base, config).named_modules()
    adapted = {name.removeprefix("base_model.model."): module for name, module in modules if hasattr(module, "lora_A")}
    return {name: [module.r["default"], module.scaling["default"]] for name, module in adapted.items()}


if __name__ == "__main__":
    plain, rs_lora = layers(False), layers(True)
    figures = {name: {"rank": rank, "scale": scale, "rsLora": rs_lora[name][1]} for name, (rank, scale) in plain.items()}
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in figures.items())
    patterns = json.dumps(PATTERNS)
    print(f'{{\n "versions": {json.dumps(tiny.VERSIONS)},\n "patterns": {patterns},\n "layers": {{\n{rows}\n }}\n}}')
