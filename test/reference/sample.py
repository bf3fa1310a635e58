"""Records what transformers leaves to draw from: python sample.py > sample.json (torch and transformers needed; versions are in the result)."""
import json

import torch
import transformers
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

CASES = [
    {},
    {"temperature": 0.7},
    {"temperature": 1.9},
    {"topK": 1},
    {"topK": 5},
    {"topK": 500},
    {"topP": 0.3},
    {"topP": 0.9},
    {"topP": 0.0},
    {"minP": 0.05},
    {"minP": 1.0},
    {"repetitionPenalty": 1.3, "seen": [0, 3, 3, 7, 31]},
    {"repetitionPenalty": 0.8, "seen": [1, 2]},
    {"temperature": 0.8, "topK": 20, "topP": 0.85, "minP": 0.02, "repetitionPenalty": 1.1, "seen": [4, 9, 16, 25]},
    {"temperature": 1.5, "topP": 0.95, "minP": 0.1},
]


def processors(options):
    made = LogitsProcessorList()
    if "repetitionPenalty" in options:
        made.append(RepetitionPenaltyLogitsProcessor(options["repetitionPenalty"]))
    if "temperature" in options:
        made.append(TemperatureLogitsWarper(options["temperature"]))
    if "topK" in options:
        made.append(TopKLogitsWarper(options["topK"]))
    if "topP" in options:
        made.append(TopPLogitsWarper(options["topP"]))
    if "minP" in options:
        made.append(MinPLogitsWarper(options["minP"]))
    return made


def main():
    torch.manual_seed(3)
    recorded = []
    for size in (1, 2, 50):
        for options in CASES:
            logits = torch.randn(1, size) * 2.5
            seen = sorted({i % size for i in options["seen"]}) * 2 if "seen" in options else []
            kept = processors(options)(torch.tensor([seen], dtype=torch.int64), logits.clone())
            recorded.append(
                {
                    "logits": [float(f"{x:.9g}") for x in logits[0].tolist()],
                    "options": {**options, **({"seen": seen} if seen else {})},
                    "probabilities": [float(f"{x:.9g}") for x in kept[0].double().softmax(-1).tolist()],
                }
            )
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    print('{"versions": ' + json.dumps(versions) + ',\n"cases": [\n' + ",\n".join(json.dumps(one) for one in recorded) + "\n]}")


main()
