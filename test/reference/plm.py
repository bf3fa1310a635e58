"""Records permutation language modelling done plainly, in float64, on the checkpoint `llama` of families.py.

usage: python plm.py       writes fixtures/plm/{expected.json,expected.safetensors}

Of each row the last tokens of an order are predicted, each by a forward pass of its own: over the tokens before it in the order, at their positions,
and a mask token at the position of what is predicted, with causal attention along the order. The loss is the mean of -log p over all predicted tokens.
"""
import json
import random

import torch
import transformers
from safetensors.torch import save_file

import tiny

MASK, LENGTHS, PREDICTED = 2, [23, 40, 2], [7, 12, 1]
FOLDER = tiny.FIXTURES / "plm"


def rows():
    made = random.Random(7)
    for length, predicted in zip(LENGTHS, PREDICTED):
        rest = list(range(1, length))
        made.shuffle(rest)
        yield {"ids": [made.randrange(3, 48) for _ in range(length)], "order": [0, *rest], "predicted": predicted}


def logprobs(model, ids, order, predicted):
    for t in range(len(order) - predicted, len(order)):
        places = torch.tensor([order[: t + 1]])
        tokens = torch.tensor([[ids[i] for i in order[:t]] + [MASK]])
        logits = model(input_ids=tokens, position_ids=places, attention_mask=torch.ones_like(tokens)).logits[0, -1]
        yield torch.log_softmax(logits, -1)[ids[order[t]]]


def main():
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny.FIXTURES / "llama", dtype=torch.float64, attn_implementation="eager")
    found = list(rows())
    for row in found:
        row["logprob"] = list(logprobs(model, **row))
    loss = -torch.stack([one for row in found for one in row["logprob"]]).mean()
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    norm = torch.stack([g.square().sum() for g in gradients.values()]).sum().sqrt()
    FOLDER.mkdir(exist_ok=True)
    save_file({name: g.float().contiguous() for name, g in gradients.items()}, FOLDER / "expected.safetensors")
    plain = [{**row, "logprob": [one.item() for one in row["logprob"]]} for row in found]
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    answer = {"versions": versions, "mask": MASK, "loss": loss.item(), "gradientNorm": norm.item(), "rows": plain}
    (FOLDER / "expected.json").write_text(json.dumps(answer) + "\n")


main()
