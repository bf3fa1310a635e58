"""What is recorded of a tiny checkpoint: logits, loss and gradients in float64, of all weights and of a LoRA adapter, and PyTorch's own errors below that."""
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

import tiny

RANK, ALPHA = 3, 6


def adapted(model, dtype, **lora):
    """A LoRA adapter whose B is not zero on a model loaded in `dtype`, its numbers the same in every dtype. -> model, {name: tensor}
    Loaded in `dtype`, not cast to it: a cast would round the rotary frequencies too. In bfloat16 PEFT keeps adapters in float32."""
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, **lora))
    draw, start = torch.Generator().manual_seed(5), {}
    for name, weight in model.named_parameters():
        if "lora_" in name:
            scale = 0.1 if "lora_B" in name else weight.shape[1] ** -0.5
            start[name] = torch.randn(weight.shape, generator=draw) * scale
            weight.data = start[name].to(torch.float64 if dtype == torch.float64 else torch.float32)
    return model, start


def distance(got, expected):
    """Relative Frobenius distance per tensor, and over all of them."""
    apart = {n: ((got[n].double() - e.double()).norm() / e.double().norm().clamp_min(1e-30)).item() for n, e in expected.items()}
    whole = tiny.norm({n: got[n].double() - e.double() for n, e in expected.items()}) / tiny.norm(expected)
    return whole, apart


def figures(make, rows, loss_of):
    """The same in three precisions. -> float64's loss, logits and gradients, and the errors of the other two"""
    loss, logits, gradient = tiny.gradients(make(torch.float64), rows, loss_of)
    errors = {}
    for word, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        its_loss, its_logits, its_gradient = tiny.gradients(make(dtype), rows, loss_of)
        whole, apart = distance(its_gradient, gradient)
        rounded = {tiny.short(n): float(f"{v:.3g}") for n, v in apart.items()}
        errors[word] = {"loss": abs(its_loss - loss), "gradientNorm": abs(tiny.norm(its_gradient) - tiny.norm(gradient)), "gradient": whole,
                        "gradients": rounded, "logits": ((its_logits.double() - logits).norm() / logits.norm()).item()}
    return loss, logits, gradient, errors


def record(folder, rows, marks, load, lora, network, loss_of=tiny.loss_of):
    """Writes expected.safetensors and expected.json of a checkpoint.
    rows: [(ids, marks)], `marks` what the latter are; load(folder, dtype) -> model; lora: options of the adapter; network(config) -> NetworkConfig"""
    config = transformers.AutoConfig.from_pretrained(folder)
    loss, logits, gradient, errors = figures(lambda dtype: load(folder, dtype), rows, loss_of)
    _, start = adapted(load(folder, torch.float32), torch.float32, **lora)
    low_loss, _, low_gradient, low_errors = figures(lambda dtype: adapted(load(folder, dtype), dtype, **lora)[0], rows, loss_of)
    tensors = {"logits": logits, **{f"gradient/{n}": t for n, t in gradient.items()},
               **{f"adapter/{tiny.short(n)}": t for n, t in start.items()}, **{f"adapter_gradient/{tiny.short(n)}": t for n, t in low_gradient.items()}}
    save_file({n: t.float().contiguous() for n, t in tensors.items()}, folder / "expected.safetensors")
    answer = {"versions": tiny.VERSIONS, "network": network(config), "ids": [i for i, _ in rows], marks: [m for _, m in rows],
              "loss": loss, "gradientNorm": tiny.norm(gradient), "errors": errors,
              "adapter": {"rank": RANK, "alpha": ALPHA, "loss": low_loss, "gradientNorm": tiny.norm(low_gradient), "errors": low_errors}}
    tiny.write_json(folder / "expected.json", answer)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{folder.name:13} loss {loss:.4f}  |g| {tiny.norm(gradient):.4f}  PyTorch's errors: f32 {errors['f32']['gradient']:.1e}, bf16 {errors['bf16']['gradient']:.1e} "
          f"(LoRA {low_errors['bf16']['gradient']:.1e}), loss bf16 {errors['bf16']['loss']:.1e}   {size >> 10} KiB")
