"""Records how BERT's tokenizer of transformers cuts texts that are too long: every piece a sequence of its own, and the first alone.

usage: python overflow.py        writes overflow.json
"""
import json
import pathlib
import tempfile

import transformers

HERE = pathlib.Path(__file__).parent
WORDS = "cells divide and grow while light falls on leaves that drink water from deep roots".split()
DIGITS = list("0123456789")
# As test/support/tiny_encoder.ts has them.
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *DIGITS, *[f"##{digit}" for digit in DIGITS]]
TEXTS = [" ".join(WORDS[:n]) for n in (1, 5, 6, 7, 12, 13, 15)] + ["cells 0123456789 grow", "water"]
LENGTHS = [3, 5, 8, 64]


def main():
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "vocab.txt").write_text("\n".join(PIECES) + "\n")
        tokenizer = transformers.BertTokenizerFast.from_pretrained(folder)
    cases = []
    for length in LENGTHS:
        options = {"truncation": True, "max_length": length}
        split = [tokenizer(text, return_overflowing_tokens=True, **options)["input_ids"] for text in TEXTS]
        cases.append({"maxLength": length, "split": split, "truncate": [tokenizer(text, **options)["input_ids"] for text in TEXTS]})
    recorded = {"versions": {"transformers": transformers.__version__}, "texts": TEXTS, "cases": cases}
    (HERE / "overflow.json").write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


main()
