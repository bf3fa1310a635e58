"""Records, for tiny random encoders of the BERT family: logits, loss and the gradient of every tensor, of all weights and of a LoRA adapter; and five
steps of masked language modelling on given masks, with an adapter and of all weights.

usage: python encoders.py        writes fixtures/NAME/{config.json,model.safetensors,expected.safetensors,expected.json}, fixtures/encoder_steps/steps.json

Checkpoints are written by transformers' own save_pretrained. Figures as in families.py: PyTorch's in float64, `errors` how far it is off itself in
float32 and bfloat16. A position with a target predicts it at its own place; sequences run alone, without padding; no dropout.
"""
import json
import zlib

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

import tiny

RANK, ALPHA, MASK = 3, 6, 3
TARGETS = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
STEPS, RATE, CLIP, DECAY = 5, 2e-3, 1.0, 0.01
SIZES = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 48, "hidden_act": "gelu", "type_vocab_size": 2,
         "max_position_embeddings": 64, "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "pad_token_id": 0}
# name: (what differs from SIZES, dtype of the stored tensors)
ENCODERS = {
    "bert": ({}, torch.float32),
    "bert_odd": ({"hidden_size": 40, "intermediate_size": 38, "vocab_size": 51, "hidden_act": "gelu_new", "max_position_embeddings": 45, "layer_norm_eps": 1e-5}, torch.bfloat16),
    "bert_heads": ({"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 1, "vocab_size": 65, "type_vocab_size": 1}, torch.float16),
}


def drawn(name, shape):
    """Weights that make every part count: attention picks few tokens, norms and biases are far from 1 and 0."""
    noise = torch.randn(shape)
    if len(shape) == 1:
        return noise * 0.5 if name.endswith("bias") else 1 + noise * 0.3
    if "embeddings" in name:
        return noise * 0.4
    return noise * (1.6 if "query" in name or "key" in name else 1.2) * shape[1] ** -0.5


def write(name):
    change, stored = ENCODERS[name]
    torch.manual_seed(zlib.crc32(name.encode()))
    model = transformers.BertForMaskedLM(transformers.BertConfig(**{**SIZES, **change}))
    with torch.no_grad():
        for key, weight in model.named_parameters():
            weight.copy_(drawn(key, weight.shape))
    model.to(stored).save_pretrained(tiny.FIXTURES / name)
    (tiny.FIXTURES / name / "generation_config.json").unlink(missing_ok=True)
    (tiny.FIXTURES / name / "model.safetensors").chmod(0o644)
    return tiny.FIXTURES / name


def load(folder, dtype):
    return transformers.BertForMaskedLM.from_pretrained(folder, dtype=dtype).eval()


def batch(name, vocabulary, lengths):
    """-> [(ids, targets)]: about one token in three is predicted (-1: not), most of them hidden. Id 0 is BERT's padding and stands nowhere."""
    draw = torch.Generator().manual_seed(zlib.crc32(f"{name} masks".encode()))
    rows = []
    for length in lengths:
        ids = torch.randint(4, vocabulary, (length,), generator=draw)
        chosen, hidden = (torch.rand(length, generator=draw) < share for share in (0.35, 0.8))
        rows.append((torch.where(chosen & hidden, MASK, ids).tolist(), torch.where(chosen, ids, -1).tolist()))
    return rows


def loss_of(model, rows):
    """-> mean nats over all predicted tokens (one divisor), logits (N, V)"""
    total, count, logits = 0.0, sum(t >= 0 for _, targets in rows for t in targets), []
    for ids, targets in rows:
        out = model(input_ids=torch.tensor([ids])).logits[0]
        logits.append(out.detach())
        wide = out if out.dtype == torch.float64 else out.float()
        if max(targets) >= 0:
            total = total + torch.nn.functional.cross_entropy(wide, torch.tensor(targets), ignore_index=-1, reduction="sum")
    return total / count, torch.cat(logits)


def adapted(folder, dtype):
    """The model with a LoRA adapter whose B is not zero, its numbers the same in every dtype. -> model, {name: tensor}"""
    model = get_peft_model(load(folder, dtype), LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, lora_dropout=0.0))
    draw, start = torch.Generator().manual_seed(5), {}
    for name, weight in model.named_parameters():
        if "lora_" in name:
            start[name] = torch.randn(weight.shape, generator=draw) * (0.1 if "lora_B" in name else weight.shape[1] ** -0.5)
            weight.data = start[name].to(torch.float64 if dtype == torch.float64 else torch.float32)
    return model, start


def network(c):
    """lib/native.ts NetworkConfig of transformers' own reading of config.json."""
    head = c.hidden_size // c.num_attention_heads
    return {"vocabulary": c.vocab_size, "hidden": c.hidden_size, "inner": c.intermediate_size, "layers": c.num_hidden_layers, "heads": c.num_attention_heads,
            "kvHeads": c.num_attention_heads, "headSize": head, "eps": c.layer_norm_eps, "context": c.max_position_embeddings, "tied": c.tie_word_embeddings,
            "queryKeyValueBias": True, "outputBias": True, "mlpBias": True, "queryKeyNorm": False, "windows": [0] * c.num_hidden_layers,
            "encoder": {"types": c.type_vocab_size, "activation": {"gelu": "gelu", "gelu_new": "gelu_tanh"}[c.hidden_act]}}


def record(name):
    folder = write(name)
    config = transformers.AutoConfig.from_pretrained(folder)
    rows = batch(name, config.vocab_size, tiny.LENGTHS)
    loss, logits, gradient, errors = tiny.figures(lambda dtype: load(folder, dtype), rows, loss_of)
    _, start = adapted(folder, torch.float32)
    low_loss, _, low_gradient, low_errors = tiny.figures(lambda dtype: adapted(folder, dtype)[0], rows, loss_of)
    tensors = {"logits": logits, **{f"gradient/{n}": t for n, t in gradient.items()},
               **{f"adapter/{tiny.short(n)}": t for n, t in start.items()}, **{f"adapter_gradient/{tiny.short(n)}": t for n, t in low_gradient.items()}}
    save_file({n: t.float().contiguous() for n, t in tensors.items()}, folder / "expected.safetensors")
    for e in (*errors.values(), *low_errors.values()):
        e["gradients"] = {tiny.short(n): float(f"{v:.3g}") for n, v in e["gradients"].items()}
    answer = {"versions": tiny.VERSIONS, "network": network(config), "ids": [i for i, _ in rows], "targets": [t for _, t in rows],
              "loss": loss, "gradientNorm": tiny.norm(gradient), "errors": errors,
              "adapter": {"rank": RANK, "alpha": ALPHA, "loss": low_loss, "gradientNorm": tiny.norm(low_gradient), "errors": low_errors}}
    (folder / "expected.json").write_text(json.dumps(answer, separators=(",", ":")) + "\n")
    print(f"{name:13} loss {loss:.4f}  |g| {tiny.norm(gradient):.4f}  PyTorch's errors: f32 {errors['f32']['gradient']:.1e}, bf16 {errors['bf16']['gradient']:.1e}")


def curve(model, steps):
    """AdamW as in lora_steps.py. -> losses and gradient norms of every step"""
    trained, figures = {n: p for n, p in model.named_parameters() if p.requires_grad}, {"loss": [], "gradientNorm": []}
    optimiser = torch.optim.AdamW(trained.values(), lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=DECAY)
    for rows in steps:
        loss, _, gradient = tiny.gradients(model, rows, loss_of)
        figures["loss"].append(loss), figures["gradientNorm"].append(tiny.norm(gradient))
        torch.nn.utils.clip_grad_norm_(trained.values(), CLIP)
        optimiser.step()
    return figures


def record_steps(base):
    folder = tiny.FIXTURES / base
    steps = [batch(f"step {n}", 48, [5 + (7 * n + 3 * k) % 16 for k in range(4)]) for n in range(STEPS)]
    answer = {"versions": tiny.VERSIONS, "base": base, "learningRate": RATE, "clip": CLIP, "weightDecay": DECAY,
              "steps": [{"ids": [i for i, _ in rows], "targets": [t for _, t in rows]} for rows in steps],
              "lora": curve(adapted(folder, torch.float32)[0], steps), "all": curve(load(folder, torch.float32), steps)}
    (tiny.FIXTURES / "encoder_steps").mkdir(exist_ok=True)
    (tiny.FIXTURES / "encoder_steps" / "steps.json").write_text(json.dumps(answer, separators=(",", ":")) + "\n")
    print("steps", [round(x, 4) for x in answer["all"]["loss"]])


print(tiny.VERSIONS)
for name in ENCODERS:
    record(name)
record_steps("bert")
