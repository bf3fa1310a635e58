"""Tiny random checkpoints and ragged batches: what the scripts of this folder record figures on."""
import json
import logging
import os
import platform
import warnings
import zlib
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
import peft
import safetensors
import torch
import transformers
from safetensors.torch import save_file

transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)
FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__,
            "safetensors": safetensors.__version__}
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
NAMES = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
SIZES = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 48, "hidden_act": "silu",
         "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
         "torch_dtype": "float32"}
F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16
NEW = {"rope_theta": None, "torch_dtype": None, "dtype": "float32"}  # transformers 5's spelling; None: the key is left out
OLD_LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32, "rope_type": "llama3"}

# name: (model_type, keys of config.json that differ from SIZES, dtypes of the stored tensors by turns)
FAMILIES = {
    "llama": ("llama", {}, (BF16,)),
    "llama3": ("llama", {"head_dim": 16, "num_attention_heads": 4, "rope_theta": 500000.0, "tie_word_embeddings": True, "rope_scaling": OLD_LLAMA3}, (BF16,)),
    "linear": ("llama", {**NEW, "num_hidden_layers": 1, "rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 5000.0}}, (F32, BF16)),
    "dynamic": ("llama", {"num_hidden_layers": 1, "max_position_embeddings": 32, "rope_scaling": {"type": "dynamic", "factor": 4.0}}, (BF16,)),
    "yarn": ("llama", {"num_hidden_layers": 1, "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}}, (BF16,)),
    "yarn_new": ("llama", {**NEW, "num_hidden_layers": 1, "rope_parameters": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16, "rope_theta": 10000.0,
                                                      "beta_fast": 8.0, "beta_slow": 2.0, "attention_factor": 1.4}}, (BF16,)),
    "mistral": ("mistral", {"sliding_window": 12, "num_attention_heads": 4, "head_dim": 16}, (BF16,)),
    "qwen2": ("qwen2", {"tie_word_embeddings": True, "rope_theta": 1000000.0, "use_sliding_window": False, "sliding_window": 8, "max_window_layers": 1,
                        "num_key_value_heads": 1}, (BF16,)),
    "qwen2_window": ("qwen2", {**NEW, "rope_parameters": {"rope_type": "default", "rope_theta": 20000.0}, "use_sliding_window": True, "sliding_window": 12,
                               "max_window_layers": 1}, (BF16,)),
    "qwen3": ("qwen3", {"head_dim": 32, "num_key_value_heads": 1, "rope_theta": 1000000.0, "rms_norm_eps": 1e-6, "attention_bias": False, "vocab_size": 64}, (BF16, F32, F16)),
    "biases": ("llama", {"attention_bias": True, "mlp_bias": True, "vocab_size": 49}, (F16,)),
    "head20": ("llama", {"hidden_size": 40, "intermediate_size": 38, "num_key_value_heads": 1, "vocab_size": 51}, (BF16,)),
    "head32": ("llama", {"head_dim": 32, "num_attention_heads": 4, "num_key_value_heads": 1, "intermediate_size": 33, "num_hidden_layers": 1, "vocab_size": 96}, (F16,)),
    "head80": ("llama", {"head_dim": 80, "num_key_value_heads": 1, "tie_word_embeddings": True, "num_hidden_layers": 1}, (BF16,)),
    "head128": ("mistral", {"head_dim": 128, "num_attention_heads": 1, "num_key_value_heads": 1, "num_hidden_layers": 1, "sliding_window": None}, (BF16,)),
}
LENGTHS = [41, 1, 33, 7, 14]  # one sequence beyond dynamic's 32 positions, one with nothing to predict, none a multiple of a block


def drawn(name, shape, tied):
    """Weights that make every part count: the attention picks few tokens, norms and biases are far from 1 and 0, logits differ clearly."""
    noise = torch.randn(shape)
    if len(shape) == 1:
        return noise * 0.5 if name.endswith("bias") else 1 + noise * 0.3
    if "embed_tokens" in name:
        return noise * (0.4 if tied else 0.2)
    return noise * (0.3 if "lm_head" in name else (1.6 if "q_proj" in name or "k_proj" in name else 1.2) * shape[1] ** -0.5)


def write(name):
    """fixtures/NAME/config.json and model.safetensors. -> folder"""
    kind, change, stored = FAMILIES[name]
    config = {**SIZES, **change, "model_type": kind, "architectures": [NAMES[kind]]}
    config = {k: v for k, v in config.items() if v is not None or k == "sliding_window"}
    folder = FIXTURES / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    torch.manual_seed(zlib.crc32(name.encode()))
    shape = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(folder)).state_dict()
    tied, tensors = config["tie_word_embeddings"], {}
    for n, (key, value) in enumerate(sorted(shape.items())):
        if not (key == "lm_head.weight" and tied):
            tensors[key] = drawn(key, value.shape, tied).to(stored[n % len(stored)])
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def forgetful(model):
    """transformers keeps the frequencies of dynamic scaling from one call to the next; here every sequence starts afresh."""
    def start(rotary, args, named):
        rotary.max_seq_len_cached, rotary.inv_freq = rotary.original_max_seq_len, rotary.original_inv_freq
    for module in model.modules():
        if type(module).__name__.endswith("RotaryEmbedding"):
            module.register_forward_pre_hook(start, with_kwargs=True)
    return model


def load(folder, dtype):
    return forgetful(transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval())


def batch(name, vocabulary, lengths):
    """-> [(ids, trained)]: the first token of a sequence is never trained, and about one in four others is not."""
    draw = torch.Generator().manual_seed(zlib.crc32(f"{name} rows".encode()))
    rows = []
    for length in lengths:
        ids = torch.randint(0, vocabulary, (length,), generator=draw).tolist()
        kept = (torch.rand(length, generator=draw) < 0.75).int().tolist()
        rows.append((ids, [0] + kept[1:]))
    return rows


def loss_of(model, rows):
    """One sequence at a time, no padding. -> mean nats over all trained tokens (one divisor), logits (N, V)"""
    total, count, logits = 0.0, sum(sum(trained) for _, trained in rows), []
    for ids, trained in rows:
        out = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        logits.append(out.detach())
        labels = torch.tensor([t if m else -100 for t, m in zip(ids, trained)])[1:]
        if sum(trained):
            wide = out[:-1] if out.dtype == torch.float64 else out[:-1].float()  # as transformers' own loss does
            total = total + torch.nn.functional.cross_entropy(wide, labels, ignore_index=-100, reduction="sum")
    return total / count, torch.cat(logits)


def gradients(model, rows, loss_of=loss_of):
    """-> loss, logits, {name: gradient} of every trained tensor"""
    model.zero_grad()
    loss, logits = loss_of(model, rows)
    loss.backward()
    return loss.item(), logits, {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}


def norm(tensors):
    return sum((t.double() ** 2).sum() for t in tensors.values()).sqrt().item()


def off(steps, exact):
    """Of each figure of a step: how far it is from the exact one at most, relative to it."""
    return [max(abs(a / b - 1) for a, b in zip(*both)) for both in zip(zip(*steps), zip(*exact))]


def train(model, steps, rate, decay, clip, loss_of=loss_of):
    """AdamW 0.9/0.999/1e-8 over steps of rows; norms and biases are not decayed, as decay.py finds it. -> [(loss, gradient norm before clipping)] of every step"""
    trained, figures = {n: p for n, p in model.named_parameters() if p.requires_grad}, []
    matrices, vectors = ([p for p in trained.values() if (p.ndim > 1) == many] for many in (True, False))
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, betas=(0.9, 0.999), eps=1e-8)
    for rows in steps:
        loss, _, gradient = gradients(model, rows, loss_of)
        figures.append((loss, norm(gradient)))
        torch.nn.utils.clip_grad_norm_(trained.values(), clip)
        optimiser.step()
    return figures


def short(name):
    """Without the name of the adapter, as PEFT's files have it."""
    return name.replace(".default.", ".")


def write_json(path, answer):
    path.write_text(json.dumps(answer, separators=(",", ":")) + "\n")
