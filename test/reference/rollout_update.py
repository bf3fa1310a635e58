"""Records whole updates of PPO, GRPO, GSPO and RLOO on recorded rollouts, plainly and in float64, from the adapters `plain` and `partial` of lora_steps.py.

usage: python rollout_update.py       writes fixtures/rollout_update/{expected.json,expected.safetensors}

Every answer goes through the network alone. A step has several updates (`plan`: the answers of each), AdamW 0.9/0.999/1e-8 without decay, clipped at 1
over all trained tensors. Kept are advantages, losses, ratios, the gradient before clipping of the last update, and after each update the log-probability of
every answer's tokens, and their values. The value head is of noise, so that values count from the start.
"""

import methods_plain as plain
import torch
from peft import PeftModel
from safetensors.torch import save_file

import tiny

BASE, FOLDER, CLIP = "qwen2", tiny.FIXTURES / "rollout_update", 0.2
GROUPS, LENGTHS = [7, 1, 12], [5, 9, 3, 8, 1, 6]  # tokens of prompts and answers; two answers to each prompt
REWARDS, STOPPED = [0.5, 1.5, -0.25, 0.75, 2.0, -1.0], [1, 0, 1, 1, 1, 0]
HALVES = [[3, 4, 5], [0, 1, 2], [1, 4, 5], [0, 2, 3]]  # as attune draws two minibatches of two epochs with its seed 1
WHOLE = [list(range(6))] * 2
RATES = {"rloo": 1e-4}  # else 3e-4: ratios of whole answers leave their bounds sooner
PPO = {"lambda": 0.9, "gamma": 0.98, "valueWeight": 0.5}
# name: (method of the recipe, answers of each update)
CASES = {
    "ppo": ({"name": "ppo", **PPO, "epochs": 2, "minibatches": 2, "temperature": 0.8, "kl": {"estimator": "k3"}, "missingStopPenalty": 0.7}, HALVES),
    "ppo_once": ({"name": "ppo", **PPO, "epochs": 1}, WHOLE[:1]),
    "ppo_apart": ({"name": "ppo", **PPO, "epochs": 2, "value": "adapter", "whitenRewards": True}, WHOLE),
    "grpo": ({"name": "grpo", "epochs": 2, "minibatches": 2, "loss": "grpo", "beta": 0.04}, HALVES),
    "dapo": ({"name": "grpo", "epochs": 2, "clipHigh": 0.28, "temperature": 1.2}, WHOLE),
    "gspo": ({"name": "grpo", "epochs": 2, "loss": "grpo", "importance": "sequence"}, WHOLE),
    "rloo": ({"name": "rloo", "epochs": 2, "minibatches": 2}, HALVES),
}


def rollouts():
    draw = torch.Generator().manual_seed(17)
    ids = lambda n: torch.randint(3, 48, (n,), generator=draw).tolist()
    prompts = [ids(n) for n in GROUPS]
    answers = [{"prompt": n // 2, "ids": ids(length)} for n, length in enumerate(LENGTHS)]
    for answer, reward, stopped in zip(answers, REWARDS, STOPPED):
        answer.update(reward=reward, stopped=stopped)
        answer["ids"][-1] = 2 if stopped else answer["ids"][-1]
    return prompts, answers


def adapted(name):
    return PeftModel.from_pretrained(tiny.load(tiny.FIXTURES / BASE, torch.float32), tiny.FIXTURES / "peft" / name, is_trainable=True).double()


class Policy:
    """Log-probabilities and values of answers, each a list of (T) tensors."""

    def __init__(self, prompts, answers, options, head):
        self.model, self.temperature, self.head = adapted("plain"), options.get("temperature", 1.0), torch.nn.Parameter(head.clone())
        self.critic = adapted("partial") if options.get("value") == "adapter" else None
        self.rows = [(torch.tensor([prompts[a["prompt"]] + a["ids"]]), len(prompts[a["prompt"]])) for a in answers]

    def logprob(self, model=None):
        rows = [((model or self.model)(input_ids=ids, use_cache=False).logits[0], ids[0], at) for ids, at in self.rows]
        return [torch.log_softmax(z[at - 1 : -1] / self.temperature, -1).gather(-1, ids[at:, None])[:, 0] for z, ids, at in rows]

    def reference(self):
        with torch.no_grad(), self.model.disable_adapter():
            return self.logprob()

    def value(self):
        trunk = (self.critic or self.model).base_model.model.model
        return [trunk(input_ids=ids, use_cache=False).last_hidden_state[0, at - 1 : -1] @ self.head for ids, at in self.rows]

    def named(self):
        """Trained tensors by PEFT's names; those of an adapter of the values' own begin with value."""
        own = lambda model: {tiny.short(n): p for n, p in model.named_parameters() if p.requires_grad}
        with_head = {**own(self.critic or self.model), "base_model.model.score.weight": self.head}
        return {**own(self.model), **{f"value.{n}": p for n, p in with_head.items()}} if self.critic else with_head


def ppo_loss(policy, before, options, chosen):
    """-> loss, ratio of every token"""
    logprob, value, old = (torch.cat([rows[n] for n in chosen]) for rows in (policy.logprob(), policy.value(), before["logprob"]))
    A, R, V = (torch.cat([before[name][n] for n in chosen]) for name in ("advantage", "returns", "value"))
    ratio, held = torch.exp(logprob - old), V + (value - V).clamp(-0.2, 0.2)
    loss = torch.max(-A * ratio, -A * ratio.clamp(1 - CLIP, 1 + CLIP)) + options["valueWeight"] * 0.5 * torch.max((value - R) ** 2, (held - R) ** 2)
    return loss.mean(), ratio


def grpo_loss(policy, before, options, chosen):
    logprob = policy.logprob()
    logs = [logprob[n] - before["logprob"][n] for n in chosen]
    ratios = [torch.exp(log.mean().expand(len(log)) if options.get("importance") == "sequence" else log) for log in logs]
    each, high = [], 1 + options.get("clipHigh", CLIP)
    for n, ratio in zip(chosen, ratios):
        A, gap = before["advantage"][n], before["reference"][n] - logprob[n]
        each.append(torch.max(-A * ratio, -A * ratio.clamp(1 - CLIP, high)) + options.get("beta", 0) * (torch.exp(gap) - 1 - gap) * ratio)
    return (plain.means(each).mean() if options.get("loss") == "grpo" else torch.cat(each).mean()), torch.exp(torch.cat(logs))


def rloo_loss(policy, before, options, chosen):
    logprob = policy.logprob()
    logs = [logprob[n] - before["logprob"][n] for n in chosen]
    ratio, A = torch.exp(torch.stack([log.sum() for log in logs])), torch.stack([before["advantage"][n][0] for n in chosen])
    return torch.max(-A * ratio, -A * ratio.clamp(1 - CLIP, 1 + CLIP)).mean(), torch.exp(torch.cat(logs))


LOSSES = {"ppo": ppo_loss, "grpo": grpo_loss, "rloo": rloo_loss}


def prepared(policy, options):
    """Figures before the first update, a tensor an answer."""
    with torch.no_grad():
        found = {"logprob": policy.logprob(), "value": policy.value(), "reference": policy.reference()}
    data = {"old": found["logprob"], "oldValue": found["value"], "reference": found["reference"], "reward": REWARDS, "stopped": STOPPED, "group": [n // 2 for n in range(6)]}
    if options["name"] == "ppo":
        own = {"lam": options["lambda"], "estimator": options.get("kl", {}).get("estimator", "k1"), **{k: options[k] for k in ("gamma", "whitenRewards", "missingStopPenalty") if k in options}}
        advantage, returns, _ = plain.ppo_advantages(data, **own)
        return {**found, "advantage": advantage.split(LENGTHS), "returns": returns.split(LENGTHS)}
    perAnswer = plain.leave_one_out(data, 0.05) if options["name"] == "rloo" else plain.group_advantages(data, "group")
    return {**found, "advantage": [a.expand(n) for a, n in zip(perAnswer, LENGTHS)]}


def record(name, prompts, answers, head):
    """-> figures of the case, gradient of its last update"""
    (options, plan), rate = CASES[name], RATES.get(name, 3e-4)
    policy = Policy(prompts, answers, options, head)
    if options["name"] != "ppo":
        policy.head.requires_grad = False
    weights = {n: p for n, p in policy.named().items() if p.requires_grad}
    optimizer = torch.optim.AdamW(weights.values(), lr=rate, weight_decay=0.0)
    before, updates = prepared(policy, options), []
    for chosen in plan:
        optimizer.zero_grad()
        loss, ratio = LOSSES[options["name"]](policy, before, options, chosen)
        loss.backward()
        gradient = {n: p.grad.clone() for n, p in weights.items()}
        norm = torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimizer.step()
        with torch.no_grad():
            after = {"logprob": torch.cat(policy.logprob()).tolist(), **({"value": torch.cat(policy.value()).tolist()} if options["name"] == "ppo" else {})}
        updates.append({"loss": loss.item(), "gradientNorm": norm.item(), "ratio": ratio.tolist(), **after})
    held = [sum(abs(r - 1) > CLIP for r in one["ratio"]) / len(one["ratio"]) for one in updates]
    print(name, *(f"loss {u['loss']:.4f} norm {u['gradientNorm']:.3f} beyond {h:.2f};" for u, h in zip(updates, held)))
    return {"method": options, "learningRate": rate, "plan": plan, "advantage": torch.cat(list(before["advantage"])).tolist(), "updates": updates}, gradient


def main():
    torch.set_default_dtype(torch.float64)
    prompts, answers = rollouts()
    head = torch.randn(32, generator=torch.Generator().manual_seed(18)) * 0.1
    cases, gradients = {}, {}
    for name in CASES:
        cases[name], gradient = record(name, prompts, answers, head)
        gradients.update({f"{name}/{key}": value.float().contiguous() for key, value in gradient.items()})
    FOLDER.mkdir(exist_ok=True)
    save_file(gradients, FOLDER / "expected.safetensors")
    answer = {"versions": tiny.VERSIONS, "base": BASE, "prompts": prompts, "answers": answers, "head": head.tolist(), "cases": cases}
    tiny.write_json(FOLDER / "expected.json", answer)


main()
