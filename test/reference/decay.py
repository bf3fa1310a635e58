"""Records which tensors transformers' Trainer decays, of the tiny checkpoints here and of an adapter with a score head.

usage: python decay.py > decay.json        (after families.py, encoders.py and lora_steps.py)
"""
import json
import tempfile

import peft
import transformers

import tiny

DECODERS = ["llama", "llama3", "biases", "qwen2", "qwen3", "mistral"]
ENCODERS = ["bert"]


def decayed(model):
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(output_dir=folder, report_to=[], use_cpu=True)
        return sorted(transformers.Trainer(model=model, args=arguments).get_decay_parameter_names(model))


def named(name):
    """A tied head has one name, the embedding's."""
    kind = transformers.BertForMaskedLM if name in ENCODERS else transformers.AutoModelForCausalLM
    model = kind.from_pretrained(tiny.FIXTURES / name)
    own = {key for key, _ in model.named_parameters()}
    return [key for key in decayed(model) if key in own]


def of_adapter():
    """As the adapter's files name them: PEFT puts the adapter's own name between."""
    base = transformers.AutoModelForSequenceClassification.from_pretrained(tiny.FIXTURES / "qwen2", num_labels=1)
    model = peft.PeftModel.from_pretrained(base, tiny.FIXTURES / "peft/score", is_trainable=True)
    trained = {key for key, value in model.named_parameters() if value.requires_grad}
    return sorted(key.replace(".default", "").replace(".modules_to_save", "") for key in decayed(model) if key in trained)


if __name__ == "__main__":
    names = {name: named(name) for name in DECODERS + ENCODERS}
    print(json.dumps({"versions": tiny.VERSIONS, "models": names, "adapter": of_adapter()}, indent=1))
