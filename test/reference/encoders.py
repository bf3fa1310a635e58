"""Records, for tiny random encoders of the BERT family: logits, loss and the gradient of every tensor, of all weights and of a LoRA adapter; and five
steps of masked language modelling on given masks, with an adapter and of all weights.

usage: python encoders.py        writes fixtures/NAME/{config.json,model.safetensors,expected.safetensors,expected.json}, fixtures/encoder_steps/steps.json,
                                 fixtures/peft/encoder

Checkpoints are written by transformers' own save_pretrained. Figures as in families.py: PyTorch's in float64, `errors` how far it is off itself in
float32 and bfloat16. A position with a target predicts it at its own place; sequences run alone, without padding; no dropout.
"""
import zlib

import checkpoint_figures
import torch
import transformers

import tiny

MASK = 3
LORA = {"target_modules": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense", "transform.dense"]}
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


def network(c):
    """lib/native.ts NetworkConfig of transformers' own reading of config.json."""
    head = c.hidden_size // c.num_attention_heads
    return {"vocabulary": c.vocab_size, "hidden": c.hidden_size, "inner": c.intermediate_size, "layers": c.num_hidden_layers, "heads": c.num_attention_heads,
            "kvHeads": c.num_attention_heads, "headSize": head, "eps": c.layer_norm_eps, "context": c.max_position_embeddings, "tied": c.tie_word_embeddings,
            "queryKeyValueBias": True, "outputBias": True, "mlpBias": True, "queryKeyNorm": False, "windows": [0] * c.num_hidden_layers,
            "encoder": {"types": c.type_vocab_size, "activation": {"gelu": "gelu", "gelu_new": "gelu_tanh"}[c.hidden_act]}}


def curve(make, steps):
    """-> losses and gradient norms of every step in float32, and the largest relative distance of float64's"""
    figures, others = (tiny.train(make(dtype), steps, RATE, DECAY, CLIP, loss_of) for dtype in (torch.float32, torch.float64))
    off = max(abs(a - b) / b for f, o in zip(figures, others) for a, b in zip(f, o))
    loss, norm = zip(*figures)
    return {"loss": loss, "gradientNorm": norm, "off": off}


def record_steps(base):
    folder = tiny.FIXTURES / base
    steps = [batch(f"step {n}", 48, [5 + (7 * n + 3 * k) % 16 for k in range(4)]) for n in range(STEPS)]
    low = lambda dtype: checkpoint_figures.adapted(load(folder, dtype), dtype, **LORA)[0]
    answer = {"versions": tiny.VERSIONS, "base": base, "learningRate": RATE, "clip": CLIP, "weightDecay": DECAY,
              "steps": [{"ids": [i for i, _ in rows], "targets": [t for _, t in rows]} for rows in steps],
              "lora": curve(low, steps), "all": curve(lambda dtype: load(folder, dtype), steps)}
    (tiny.FIXTURES / "encoder_steps").mkdir(exist_ok=True)
    tiny.write_json(tiny.FIXTURES / "encoder_steps" / "steps.json", answer)
    print("steps", [round(x, 4) for x in answer["all"]["loss"]], "float64 off by", answer["lora"]["off"], answer["all"]["off"])


def record_peft(base):
    """An adapter folder as PEFT writes it, on `query` and all that is called `dense`, the head's too; and its logits of one row in float64."""
    folder = tiny.FIXTURES / "peft" / "encoder"
    (ids, _), = batch("peft", 48, [11])
    low, _ = checkpoint_figures.adapted(load(tiny.FIXTURES / base, torch.float32), torch.float32, target_modules=["query", "dense"])
    low.peft_config["default"].base_model_name_or_path = base
    low.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    (folder / "adapter_model.safetensors").chmod(0o644)
    merged, _ = checkpoint_figures.adapted(load(tiny.FIXTURES / base, torch.float64), torch.float64, target_modules=["query", "dense"])
    with torch.no_grad():
        logits = merged(input_ids=torch.tensor([ids])).logits[0]
    tiny.write_json(folder / "expected.json", {"versions": tiny.VERSIONS, "base": base, "ids": ids, "logits": logits.tolist()})


print(tiny.VERSIONS)
for name in ENCODERS:
    folder = write(name)
    vocabulary = transformers.AutoConfig.from_pretrained(folder).vocab_size
    checkpoint_figures.record(folder, batch(name, vocabulary, tiny.LENGTHS), "targets", load, LORA, network, loss_of)
record_steps("bert")
record_peft("bert")
