"""Records the trainers of TRL on the model stories260k: ten steps of four rows by DPO, DPO with
the forward KL, KTO, ORPO, CPO, SimPO and a reward model, from an adapter.

usage: python preference_steps.py MODEL [CASE...]     MODEL: folder of stories260k; writes fixtures/preferences/{expected.json,policy,reward},
of named cases alone their part of expected.json, from the adapters that are there

float32, no dropout, rows in file order, one batch a step (TRL's KTO, ORPO and CPO depend on the batch), constant rate, AdamW 0.9/0.999/1e-8, clipped
at 1; `off` is how far the loss and the norm lie from float64's at most. Prompts end with a word and answers begin with a space, so that a prompt's tokens begin its row's; padding is <unk>, since with the end token as
padding TRL takes a reward model's score before it.
"""
import json
import random
import shutil
import sys
import tempfile

import datasets
import sentencepiece
import torch
import transformers
import trl
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import TrainerCallback
from trl.experimental import cpo, orpo

import tiny

MODEL, FOLDER = sys.argv[1], tiny.FIXTURES / "preferences"
STEPS, ROWS, RATE = 10, 4, 2e-4
PAIRED, LABELLED = ("prompt", "chosen", "rejected"), ("prompt", "completion", "label")
# name: (method of the recipe, trainer, its configuration's home, own options, columns)
CASES = {
    "dpo": ({"name": "dpo", "beta": 0.1}, trl.DPOTrainer, trl.DPOConfig, {"beta": 0.1}, PAIRED),
    "dpo of forward KL": ({"name": "dpo", "beta": 0.1, "divergence": "forwardKl"}, trl.DPOTrainer, trl.DPOConfig,
                          {"beta": 0.1, "f_divergence_type": "forward_kl"}, PAIRED),
    "kto": ({"name": "kto", "kl": "batch", "desirableWeight": 1.2}, trl.KTOTrainer, trl.KTOConfig, {"beta": 0.1, "desirable_weight": 1.2}, LABELLED),
    "orpo": ({"name": "orpo", "likelihood": "full"}, orpo.ORPOTrainer, orpo.ORPOConfig, {"beta": 0.1}, PAIRED),
    "cpo": ({"name": "cpo"}, cpo.CPOTrainer, cpo.CPOConfig, {"beta": 0.1, "loss_type": "sigmoid", "cpo_alpha": 1.0}, PAIRED),
    "simpo": ({"name": "simpo"}, cpo.CPOTrainer, cpo.CPOConfig, {"beta": 2.0, "loss_type": "simpo", "simpo_gamma": 1.0, "cpo_alpha": 0.0}, PAIRED),
    "reward": ({"name": "reward", "centering": 0.01}, trl.RewardTrainer, trl.RewardConfig, {"center_rewards_coefficient": 0.01}, (*PAIRED, "margin")),
}
WORDS = "the dog ran home and saw a big red ball in the park with her mom who was happy to play all day under a tree".split()


def rows():
    """Words in a random order: what they say is of no matter, that lengths differ is."""
    draw = random.Random(5)
    phrase = lambda low, high: " ".join(draw.choice(WORDS) for _ in range(draw.randint(low, high)))
    found = [{"prompt": "Once upon a time " + phrase(2, 12), "chosen": " " + phrase(3, 14) + ".", "rejected": " " + phrase(3, 20) + "."} for _ in range(STEPS * ROWS)]
    for n, row in enumerate(found):
        liked = n % 4 in (0, 3) or n % 8 == 1
        row.update(margin=0.1 * (n % 5), label=liked, completion=row["chosen" if liked else "rejected"])
    return found


class Pieces(transformers.PreTrainedTokenizer):
    """The model's SentencePiece file, which transformers 5 does not open by itself."""

    def __init__(self):
        self.engine = sentencepiece.SentencePieceProcessor(model_file=f"{MODEL}/tokenizer.model")
        super().__init__(bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>")

    vocab_size = property(lambda self: self.engine.get_piece_size())

    def get_vocab(self):
        return {self.engine.id_to_piece(n): n for n in range(self.vocab_size)}

    def _tokenize(self, text, **_):
        return self.engine.encode(text, out_type=str)

    def _convert_token_to_id(self, token):
        return self.engine.piece_to_id(token)

    def _convert_id_to_token(self, index):
        return self.engine.id_to_piece(index)

    def build_inputs_with_special_tokens(self, first, second=None):
        return [1, *first]


def base(scores, dtype=torch.float32):
    kind = transformers.AutoModelForSequenceClassification if scores else transformers.AutoModelForCausalLM
    model = kind.from_pretrained(MODEL, dtype=dtype, **({"num_labels": 1} if scores else {}))
    model.config.pad_token_id = 0
    return model


def write_adapter(name, scores):
    torch.manual_seed(40)
    kind = {"task_type": "SEQ_CLS", "modules_to_save": ["score"]} if scores else {"task_type": "CAUSAL_LM"}
    model = get_peft_model(base(scores), LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj", "down_proj"], lora_dropout=0.0, **kind))
    for key, weight in model.named_parameters():
        if "lora_B" in key or "score.modules_to_save" in key:
            torch.nn.init.normal_(weight, std=0.05)
    model.peft_config["default"].base_model_name_or_path = "stories260k"
    model.save_pretrained(FOLDER / name)
    (FOLDER / name / "README.md").unlink()


class Listener(TrainerCallback):
    def __init__(self):
        self.norms = []

    def on_log(self, args, state, control, logs=None, **_):
        self.norms += [logs["grad_norm"]] if "grad_norm" in logs else []


def record(name, data, dtype):
    """-> [(loss, gradient norm before clipping)]"""
    _, kind, config, own, columns = CASES[name]
    scores = name == "reward"
    model = PeftModel.from_pretrained(base(scores, dtype), FOLDER / ("reward" if scores else "policy"), is_trainable=True).to(dtype)
    order = {} if name == "kto" else {"train_sampling_strategy": "sequential"}
    listener, losses = Listener(), []
    with tempfile.TemporaryDirectory() as folder:
        options = config(output_dir=folder, report_to=[], bf16=False, use_cpu=True, gradient_checkpointing=False, per_device_train_batch_size=ROWS,
                         max_steps=STEPS, learning_rate=RATE, lr_scheduler_type="constant", max_grad_norm=1.0, optim="adamw_torch", logging_steps=1,
                         save_strategy="no", disable_tqdm=True, max_length=256, dataloader_pin_memory=False, **order, **own)
        chosen = datasets.Dataset.from_list([{key: row[key] for key in columns} for row in data])
        trainer = kind(model=model, args=options, train_dataset=chosen, processing_class=Pieces(), callbacks=[listener])
        step = trainer.training_step
        trainer.training_step = lambda *args, **more: losses.append(step(*args, **more)) or losses[-1]
        trainer.train()
    assert len(losses) == len(listener.norms) == STEPS
    return [(float(loss), float(norm)) for loss, norm in zip(losses, listener.norms)]


def main():
    datasets.disable_progress_bars()
    data, kept = rows(), {}
    if sys.argv[2:]:
        kept = json.loads((FOLDER / "expected.json").read_text())["cases"]
    else:
        shutil.rmtree(FOLDER, ignore_errors=True)
        write_adapter("policy", False)
        write_adapter("reward", True)
    cases = {}
    for name, (method, *_, columns) in CASES.items():
        if name in kept and name not in sys.argv[2:]:
            cases[name] = kept[name]
            continue
        steps, exact = (record(name, data, dtype) for dtype in (torch.float32, torch.float64))
        cases[name] = {"method": method, "columns": columns, "steps": steps, "off": tiny.off(steps, exact)}
    answer = {"versions": {**tiny.VERSIONS, "trl": trl.__version__}, "rate": RATE, "rowsPerStep": ROWS, "rows": data, "cases": cases}
    tiny.write_json(FOLDER / "expected.json", answer)


main()
