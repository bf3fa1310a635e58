"""Records distillation on the model stories260k: ten steps of four rows, from the adapter of fixtures/preferences/policy, the model itself as teacher.

usage: python distill_steps.py MODEL       MODEL: folder of stories260k; after preference_steps.py, whose rows it takes; writes fixtures/distill/expected.json

`off` is how far the figures lie from those of models in float64 at most.
Models in float32, losses in double; no dropout, rows in file order, one batch a step, constant rate, AdamW 0.9/0.999/1e-8, clipped at 1. Over the whole
vocabulary the loss is TRL's generalised Jensen-Shannon divergence; over the teacher's K likeliest tokens, all others as one, it is written out below.
"""
import json
import sys

import sentencepiece
import torch
import transformers
import trl
from peft import PeftModel
from torch.nn.functional import log_softmax
from trl.experimental.gkd import GKDTrainer

import tiny

MODEL, FOLDER = sys.argv[1], tiny.FIXTURES / "distill"
STEPS, ROWS, RATE, END, WHOLE = 10, 4, 2e-4, 2, 512
CASES = {
    "forward": {"beta": 0, "topK": WHOLE},
    "reverse": {"beta": 1, "topK": WHOLE},
    "mixed": {"beta": 0.3, "topK": WHOLE, "temperature": 2},
    "forward_top": {"beta": 0, "topK": 8},
    "reverse_top": {"beta": 1, "topK": 8},
    "mixed_top": {"beta": 0.7, "topK": 8, "temperature": 1.5},
}


def sequences():
    """-> [(ids, tokens of the prompt)] of the rows that the preference methods learn from."""
    engine = sentencepiece.SentencePieceProcessor(model_file=f"{MODEL}/tokenizer.model")
    rows = json.loads((tiny.FIXTURES / "preferences/expected.json").read_text())["rows"][: STEPS * ROWS]
    found = []
    for row in rows:
        prompt, whole = [1, *engine.encode(row["prompt"])], [1, *engine.encode(row["prompt"] + row["chosen"]), END]
        assert whole[: len(prompt)] == prompt
        found.append((torch.tensor(whole), len(prompt)))
    return found


def logits(model, batch):
    """(T, V) before each token of the answers, every sequence computed alone."""
    return torch.cat([model(ids[None]).logits[0, prompt - 1 : -1] for ids, prompt in batch])


def outcomes(student, teacher, K, temperature):
    """log-probabilities (T, K + 1) in double: of the teacher's K likeliest, and of the rest."""
    q, p = (log_softmax(z.double() / temperature, -1) for z in (student, teacher))
    top, ids = p.topk(K, dim=-1)
    told = q.gather(-1, ids)
    rest = lambda log: torch.log1p(-log.exp().sum(-1, keepdim=True))
    return torch.cat([told, rest(told)], -1), torch.cat([top, rest(top)], -1)


def of_outcomes(q, p, beta):
    """sum over tokens; q, p: log-probabilities."""
    kl = lambda a, b: (a.exp() * (a - b)).sum()
    if beta in (0, 1):
        return kl(q, p) if beta else kl(p, q)
    m = (beta * p.exp() + (1 - beta) * q.exp()).log()
    return beta * kl(p, m) + (1 - beta) * kl(q, m)


def loss_of(student, teacher, beta, topK, temperature=1):
    if topK < WHOLE:
        return of_outcomes(*outcomes(student, teacher, topK, temperature), beta) / len(student)
    return GKDTrainer.generalized_jsd_loss(student[None].double(), teacher[None].double(), beta=beta, temperature=temperature, reduction="sum") / len(student)


def base(dtype):
    return transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=dtype).eval()


def record(options, data, dtype):
    """-> [(loss, gradient norm before clipping, mean negative log-likelihood at temperature 1)]"""
    teacher, model = base(dtype), PeftModel.from_pretrained(base(dtype), tiny.FIXTURES / "preferences/policy", is_trainable=True).to(dtype)
    weights = [w for w in model.parameters() if w.requires_grad]
    optimizer, steps = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0), []
    for n in range(0, STEPS * ROWS, ROWS):
        batch = data[n : n + ROWS]
        with torch.no_grad():
            told = logits(teacher, batch)
        said = logits(model, batch)
        loss = loss_of(said, told, **options)
        nll = torch.nn.functional.cross_entropy(said, torch.cat([ids[prompt:] for ids, prompt in batch]))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        steps.append((float(loss), float(norm), float(nll)))
    return steps


def main():
    data = sequences()
    cases = {}
    for name, options in CASES.items():
        steps, exact = (record(options, data, dtype) for dtype in (torch.float32, torch.float64))
        cases[name] = {"method": {"name": "distill", **options}, "steps": steps, "off": tiny.off(steps, exact)}
    FOLDER.mkdir(exist_ok=True)
    answer = {"versions": {**tiny.VERSIONS, "trl": trl.__version__}, "rate": RATE, "rowsPerStep": ROWS, "cases": cases}
    tiny.write_json(FOLDER / "expected.json", answer)


main()
