"""Records rotary frequencies of transformers: python rotary.py > rotary.json (torch and transformers needed; their versions are in the result)."""
import json
import platform

import torch
import transformers
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

HEADS = [64, 128, 80, 20]
CASES = [
    ({"rope_type": "default", "rope_theta": 10000.0}, [8]),
    ({"rope_type": "default", "rope_theta": 500000.0}, [8]),
    ({"rope_type": "default", "rope_theta": 1000000.0}, [8]),
    ({"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}, [8]),
    ({"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}, [8, 512, 513, 700, 1024]),
    ({"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 3.3}, [600]),
    (
        {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        [8],
    ),
    (
        {
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 8.0,
            "low_freq_factor": 1.5,
            "high_freq_factor": 3.0,
            "original_max_position_embeddings": 128,
        },
        [8],
    ),
    ({"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 128}, [8]),
    (
        {
            "rope_type": "yarn",
            "rope_theta": 1000000.0,
            "factor": 4.0,
            "original_max_position_embeddings": 32768,
            "attention_factor": 1.3,
            "beta_fast": 16.0,
            "beta_slow": 2.0,
        },
        [8],
    ),
    (
        {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 40.0,
            "original_max_position_embeddings": 4096,
            "mscale": 1.0,
            "mscale_all_dim": 0.707,
            "truncate": False,
        },
        [8],
    ),
]
POSITIONS = [7]


def nine(tensor):
    """Nine digits hold an fp32 number exactly."""
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def main():
    recorded = []
    for parameters, lengths in CASES:
        for head in HEADS:
            for length in lengths:
                config = LlamaConfig(
                    hidden_size=head * 2, num_attention_heads=2, head_dim=head, max_position_embeddings=512, rope_parameters=dict(parameters)
                )
                rotary = LlamaRotaryEmbedding(config)
                positions = torch.tensor([[*(p for p in POSITIONS if p < length - 1), length - 1]])
                cos, sin = rotary(torch.zeros(1), positions)
                recorded.append(
                    {
                        "parameters": {**parameters, "max_position_embeddings": 512},
                        "headSize": head,
                        "length": length,
                        "frequencies": nine(rotary.inv_freq),
                        "attentionFactor": rotary.attention_scaling,
                        "positions": positions[0].tolist(),
                        "cos": nine(cos[0, :, : head // 2]),
                        "sin": nine(sin[0, :, : head // 2]),
                    }
                )
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "cpu": torch.backends.cpu.get_cpu_capability()}
    lines = ",\n".join(json.dumps(one) for one in recorded)
    print('{"versions": ' + json.dumps({**versions, "python": platform.python_version()}) + ',\n"cases": [\n' + lines + "\n]}")


main()
