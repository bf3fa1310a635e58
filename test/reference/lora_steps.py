"""Records training in PyTorch + PEFT on recorded batches: 20 LoRA steps and 20 steps of all weights, from the checkpoint `qwen2` of families.py;
and adapter folders as PEFT writes them.

usage: python lora_steps.py       writes fixtures/steps/{steps.json,lora_end.safetensors,all_end.safetensors}, fixtures/peft/{plain,rslora,partial,score}

AdamW 0.9/0.999/1e-8, bias-corrected, decay decoupled; one divisor a step (its trained tokens); clipping by min(1, clip / norm). Everything in
float32; `off` is how far float64 comes out from float32 at most, which is what two right programs may differ by.
"""
import json
import shutil

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

import tiny

BASE, STEPS, RATE, CLIP, DECAY = "qwen2", 20, 2e-3, 1.0, 0.01
STEP_FOLDER, PEFT_FOLDER = tiny.FIXTURES / "steps", tiny.FIXTURES / "peft"
KINDS = {"plain": dict(r=4, lora_alpha=8, target_modules=tiny.LINEAR), "rslora": dict(r=5, lora_alpha=10, target_modules=tiny.LINEAR, use_rslora=True),
         "partial": dict(r=2, lora_alpha=2, target_modules=["q_proj", "v_proj"])}


def steps_of_rows():
    """20 steps of four rows, 5 to 20 tokens long; every sequence with words that repeat, so that there is something to learn."""
    steps = []
    for n in range(STEPS):
        rows = tiny.batch(f"step {n}", 48, [5 + (7 * n + 3 * k) % 16 for k in range(4)])
        steps.append([([t % 12 if i % 2 else t for i, t in enumerate(ids)], trained) for ids, trained in rows])
    return steps


def with_noise(model):
    """An adapter whose B is not zero."""
    for key, weight in model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(weight, std=0.2)
    model.peft_config["default"].base_model_name_or_path = BASE
    return model


def write_adapters(folder):
    shutil.rmtree(PEFT_FOLDER, ignore_errors=True)
    rows, answer = tiny.batch("peft", 48, [9]), {"versions": tiny.VERSIONS, "base": BASE, "logits": {}}
    answer["ids"] = rows[0][0]
    for n, (name, options) in enumerate(KINDS.items()):
        torch.manual_seed(20 + n)
        model = get_peft_model(tiny.load(folder, torch.float32), LoraConfig(lora_dropout=0.0, task_type="CAUSAL_LM", **options))
        with_noise(model).save_pretrained(PEFT_FOLDER / name)
        answer["logits"][name] = [[float(f"{x:.7g}") for x in row] for row in tiny.loss_of(model, rows)[1].tolist()]
    write_score(folder)
    for path in PEFT_FOLDER.glob("*/README.md"):
        path.unlink()
    tiny.write_json(PEFT_FOLDER / "expected.json", answer)


def write_score(folder):
    """A reward model: sequence classification, the head among the saved modules. Scores at the last token, and every gradient of a pair's loss."""
    torch.manual_seed(30)
    base = tiny.forgetful(transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32).eval())
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.0, task_type="SEQ_CLS"))
    with_noise(model).save_pretrained(PEFT_FOLDER / "score")
    model = model.double()
    rows = [ids for ids, _ in tiny.batch("score", 48, [17, 9, 12])]
    scores = [model(input_ids=torch.tensor([ids])).logits[0, 0] for ids in rows]
    loss = -torch.nn.functional.logsigmoid(scores[0] - scores[1]) + 0.1 * scores[2] ** 2
    loss.backward()
    gradient = {saved_name(n): p.grad.float().contiguous() for n, p in model.named_parameters() if p.grad is not None}
    save_file(gradient, PEFT_FOLDER / "score" / "gradient.safetensors")
    answer = {"versions": tiny.VERSIONS, "ids": rows, "scores": [s.item() for s in scores], "loss": loss.item()}
    (PEFT_FOLDER / "score" / "expected.json").write_text(json.dumps(answer) + "\n")
    print(f"score: {answer['scores']}, gradients of {len(gradient)} tensors")


def saved_name(name):
    """As PEFT names a tensor in its file."""
    return tiny.short(name).replace(".modules_to_save.default.", ".").replace(".modules_to_save.", ".")


def record(kind, make, steps):
    """-> figures of float32 and the largest relative distance of float64's; the tensors at the end go to KIND_end.safetensors"""
    model, exact = make(torch.float32), make(torch.float64)
    figures, others = (tiny.train(one, steps, RATE, DECAY, CLIP) for one in (model, exact))
    off = max(abs(a - b) / b for f, o in zip(figures, others) for a, b in zip(f, o))
    end = {tiny.short(n): p.detach().contiguous() for n, p in model.named_parameters() if p.requires_grad}
    wide = dict(exact.named_parameters())
    far = max(((p - wide[n]).norm() / wide[n].norm()).item() for n, p in model.named_parameters() if p.requires_grad)
    save_file(end, STEP_FOLDER / f"{kind}_end.safetensors")
    print(f"{kind}: loss {figures[0][0]:.4f} -> {figures[-1][0]:.4f}, norm {figures[0][1]:.3f} -> {figures[-1][1]:.3f}, float64 off by {off:.1e}, tensors {far:.1e}")
    return {"loss": [f[0] for f in figures], "gradientNorm": [f[1] for f in figures], "off": off, "tensorsOff": far}


def main():
    folder, steps = tiny.FIXTURES / BASE, steps_of_rows()
    STEP_FOLDER.mkdir(parents=True, exist_ok=True)
    write_adapters(folder)
    start = lambda dtype: PeftModel.from_pretrained(tiny.load(folder, torch.float32), PEFT_FOLDER / "plain", is_trainable=True).to(dtype)
    answer = {"versions": tiny.VERSIONS, "base": BASE, "adapter": "plain", "learningRate": RATE, "clip": CLIP, "weightDecay": DECAY,
              "steps": [{"ids": [i for i, _ in rows], "trained": [m for _, m in rows]} for rows in steps],
              "lora": record("lora", start, steps), "all": record("all", lambda dtype: tiny.load(folder, dtype), steps)}
    tiny.write_json(STEP_FOLDER / "steps.json", answer)


print(tiny.VERSIONS)
main()
