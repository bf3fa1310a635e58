"""
Records losses and gradients of every alignment method: python methods.py > methods.json (torch and trl needed; their versions are in the result).
Cases marked `trl` ran through TRL's own loss functions in double precision (methods_trl.py), those marked `plain` through methods_plain.py.
"""
import functools
import json
import platform

import methods_data
import methods_plain as plain
import methods_trl as trl
import torch
import transformers
from methods_data import random

NAMES = {
    "logps/chosen": "logpChosen", "logps/rejected": "logpRejected", "rewards/chosen": "rewardChosen", "rewards/rejected": "rewardRejected",
    "rewards/margins": "rewardMargin", "rewards/accuracies": "rewardAccuracy", "accuracy": "rewardAccuracy", "margin": "rewardMargin", "kl": "kl",
    "entropy": "entropy", "clip_ratio/region_mean": "clipFraction", "cispo_clip_ratio": "clipFraction",
}  # fmt: skip


def figure(x):
    return float(f"{float(x.detach() if torch.is_tensor(x) else x):.12g}")


def column(rows):
    """Nested lists of any depth, noughts of a tensor's kind gone."""
    rows = rows.tolist() if torch.is_tensor(rows) else rows
    return [column(row) if torch.is_tensor(row) or isinstance(row, list) else figure(row) for row in rows]


def case(method, options, source, loss, gradient, metrics=None, **more):
    """`gradient`: by output, rows as the data has them."""
    shown = {NAMES.get(name, name): figure(value) for name, value in (metrics or {}).items() if name in NAMES or name in NAMES.values() or name in ("valueLoss", "explainedVariance")}
    return {"method": method, "options": options, "source": source, "loss": figure(loss), "gradient": {k: column(v) for k, v in gradient.items()}, "metrics": shown, **more}


DPO = {
    "hinge": ("hinge", {"beta": 0.2}), "ipo": ("ipo", {}), "exo": ("exo_pair", {"labelSmoothing": 0.1}), "nca": ("nca_pair", {}),
    "robust": ("robust", {"labelSmoothing": 0.2}), "bco": ("bco_pair", {}), "sppo": ("sppo_hard", {}), "aot": ("aot", {"labelSmoothing": 0.1}),
    "aotUnpaired": ("aot_unpaired", {"labelSmoothing": 0.1}), "apoZero": ("apo_zero", {}), "apoDown": ("apo_down", {}), "discopop": ("discopop", {}),
    "sigmoid": ("sigmoid", {}), "sigmoidNorm": ("sigmoid_norm", {"beta": 2.0}), "sft": ("sft", {}),
}  # fmt: skip
DIVERGENCES = {"forwardKl": "forward_kl", "jsDivergence": "js_divergence"}


def dpo_case(data, options, **own):
    translated = {"beta": "beta", "labelSmoothing": "label_smoothing", "ldAlpha": "ld_alpha"}
    given = {translated[k]: v for k, v in options.items() if k in translated}
    loss, gradient, metrics = trl.dpo(data, **given, **own)
    metrics.pop("entropy")
    return case("dpo", options, "trl", loss, {"logprob": gradient}, metrics)


def dpo_cases(data):
    for ours, (theirs, options) in DPO.items():
        yield dpo_case(data, {"loss": ours, **options}, loss_types=[theirs])
    for ours, theirs in DIVERGENCES.items():
        for loss in ("sigmoid", "ipo", "discopop"):
            yield dpo_case(data, {"loss": loss, "divergence": ours}, loss_types=[loss], f_divergence_type=theirs)
    for loss in ("sigmoid", "ipo", "aot", "sft"):
        yield dpo_case(data, {"loss": loss, "ldAlpha": 0.4}, loss_types=[loss])
    mixture = ["sigmoid", "bco", "aotUnpaired", "sft"]
    yield dpo_case(data, {"loss": mixture, "lossWeights": [0.8, 0.2, 0.5, 1.5]}, loss_types=[DPO[kind][0] for kind in mixture], loss_weights=[0.8, 0.2, 0.5, 1.5])
    yield case("dpo", {"labelSmoothing": 0.1}, "plain", *named(plain.smoothed_sigmoid(data, 0.1, 0.1)))
    yield case("dpo", {"divergence": "alphaDivergence", "divergenceAlpha": 0.3}, "plain", *named(plain.alpha_divergence(data, 0.1, 0.3)))


def named(found):
    return found[0], {"logprob": found[1]}


def kto_cases(data):
    weights = {"desirableWeight": 1.2, "undesirableWeight": 0.8}, {"desirable_weight": 1.2, "undesirable_weight": 0.8}
    for kl, shift in (("batch", 0.0), ("step", 0.0), ("step", -0.3), ("step", 0.3)):  # the last KL would fall below 0
        rows = {**data, "reference": [row + shift for row in data["reference"]]}
        own = (plain.sums(rows["logprob"]) - plain.sums(rows["reference"])).tolist()
        loss, gradient, metrics = trl.kto(rows, data["mismatch"] if kl == "batch" else own, **weights[1])
        metrics.pop("entropy")
        yield case("kto", {"kl": kl, **weights[0]}, "trl", loss, {"logprob": gradient}, metrics, shift=shift)


def reference_free_cases(data):
    for likelihood in ("response", "full"):
        loss, answers, prompts = plain.orpo(data, 0.3, likelihood == "full")
        yield case("orpo", {"beta": 0.3, "likelihood": likelihood}, "plain", loss, {"logprob": answers, "prompt": prompts})
    for kind, options in (("sigmoid", {"labelSmoothing": 0.1, "sftWeight": 0.7}), ("hinge", {}), ("ipo", {})):
        pairs = functools.partial(trl.cpo_pairs, loss_type=kind, label_smoothing=options.get("labelSmoothing", 0.0))
        yield case("cpo", {"loss": kind, **options}, "trl", *named(plain.with_likelihood(data, pairs, options.get("sftWeight", 1.0), kind == "ipo")))
    for options in ({}, {"beta": 2.5, "gammaRatio": 0.4, "sftWeight": 0.2}):
        beta = options.get("beta", 2.0)
        pairs = functools.partial(trl.cpo_pairs, loss_type="simpo", beta=beta, simpo_gamma=beta * options.get("gammaRatio", 0.5))
        yield case("simpo", options, "trl", *named(plain.with_likelihood(data, pairs, options.get("sftWeight", 0.0), True)))


def reward_cases(pairs, rankings):
    for centering in (0.0, 0.01):
        loss, gradient, metrics = trl.reward(pairs, centering)
        yield case("reward", {"centering": centering}, "trl", loss, {"score": gradient}, metrics)
    loss, gradient = plain.plackett_luce(rankings, 0.01)
    yield case("reward", {"ranking": "plackettLuce", "centering": 0.01}, "plain", loss, {"score": gradient}, data="rankings")


def ppo_cases(data):
    many = {"gamma": 0.97, "lambda": 0.9, "clip": 0.1, "valueClip": 0.1, "valueWeight": 0.5, "missingStopPenalty": 0.6}
    for options in ({}, {"kl": {"coefficient": 0.2, "estimator": "k3"}, "whitenRewards": True}, many):
        flat = {**options, **options.get("kl", {})}
        flat = {("lam" if k == "lambda" else k): v for k, v in flat.items() if k != "kl"}
        loss, by_logprob, by_value, metrics, advantage, returns = plain.ppo(data, **flat)
        made = {"advantage": column(advantage), "returns": column(returns)}
        yield case("ppo", options, "plain", loss, {"logprob": by_logprob, "value": by_value}, metrics, prepared=made)


def grpo_cases(data):
    again = {"epochs": 2}  # `old` differs from the policy
    kinds = {"dapo": "dapo", "grpo": "grpo", "drGrpo": "dr_grpo", "bnpo": "bnpo", "cispo": "cispo"}
    variants = [(loss, {}) for loss in kinds] + [("dapo", {"beta": 0.04}), ("grpo", {"importance": "sequence", "beta": 0.04}), ("cispo", {"beta": 0.04})]
    variants += [("dapo", {"clipHigh": 0.28, "scaleRewards": "batch"}), ("drGrpo", {"importance": "sequence", "scaleRewards": "none"})]
    for loss, more in variants:
        options = {"loss": loss, "maxNewTokens": 8, **again, **more, **({"clipHigh": 1.1} if loss == "cispo" else {})}
        own = {"loss_type": kinds[loss], "beta": options.get("beta", 0.0), "epsilon_high": options.get("clipHigh", 0.2), "importance_sampling_level": options.get("importance", "token")}
        advantages = plain.group_advantages(data, options.get("scaleRewards", "group"))
        found = trl.grpo(data, advantages, **own)
        metrics = {k: v for k, v in found[2].items() if k == "entropy" or (k.endswith("region_mean") and "importance" not in options) or k == "cispo_clip_ratio"}
        yield case("grpo", options, "trl", found[0], {"logprob": found[1]}, metrics, advantages=column(advantages))


def rloo_cases(data):
    for beta in (0.05, 0.0):
        advantages = plain.leave_one_out(data, beta)
        loss, gradient, metrics = trl.rloo(data, advantages, 0.2)
        yield case("rloo", {"beta": beta, "epochs": 2}, "trl", loss, {"logprob": gradient}, metrics, advantages=column(advantages))


def distill_cases():
    student, teacher = (torch.randn(6, 11, generator=random) * 2 for _ in range(2))
    for beta in (0.0, 0.3, 1.0):
        for K, temperature in ((4, 1.0), (4, 2.0), (11, 1.0)):
            if K == 11:  # no rest: TRL's divergence over the whole vocabulary
                z = student.clone().requires_grad_()
                loss = trl.jsd(z, teacher, beta, temperature)
                loss.backward()
                ids = torch.arange(11).expand(6, 11)
                p, q, slope = torch.log_softmax(teacher, -1), torch.log_softmax(student, -1), z.grad
            else:
                ids, p, q, loss, slope = plain.distill(student, teacher, K, beta, temperature)
            probabilities = torch.softmax(student / temperature, -1)
            given = {"ids": ids.tolist(), "teacher": column(p), "candidates": column(q), "probabilities": column(probabilities), "temperature": temperature}
            yield case("distill", {"beta": beta, "topK": K}, "trl" if K == 11 else "plain", loss, {"logits": slope}, given=given)


def main():
    data = {name: getattr(methods_data, name)() for name in ("pairs", "thumbs", "rankings", "rollouts")}
    cases = [*dpo_cases(data["pairs"]), *kto_cases(data["thumbs"]), *reference_free_cases(data["pairs"]), *reward_cases(data["pairs"], data["rankings"])]
    cases += [*ppo_cases(data["rollouts"]), *grpo_cases(data["rollouts"]), *rloo_cases(data["rollouts"]), *distill_cases()]
    versions = {"torch": torch.__version__, "trl": __import__("trl").__version__, "transformers": transformers.__version__, "python": platform.python_version()}
    written = {name: {k: column(v) for k, v in block.items()} for name, block in data.items()}
    lines = ",\n".join(json.dumps(one) for one in cases)
    print(f'{{"versions": {json.dumps(versions)},\n"data": {json.dumps(written)},\n"cases": [\n{lines}\n]}}')


main()
