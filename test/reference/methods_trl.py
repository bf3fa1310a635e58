"""
The loss functions of TRL's own trainers, in double precision and on given log-probabilities: each is called with a stand-in for the trainer and a
"model" that hands out a leaf tensor, so that formula and gradient are TRL's.
"""
import collections
import contextlib
from types import SimpleNamespace

import torch
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.gkd.gkd_trainer import GKDTrainer
from trl.trainer import dpo_trainer, grpo_trainer, kto_trainer, reward_trainer, rloo_trainer

for module in (dpo_trainer, kto_trainer):
    module.disable_gradient_checkpointing = lambda *_: contextlib.nullcontext()
    module.is_peft_model = lambda _: False


class Padded:
    """Rows of uneven length as one leaf tensor (rows, longest); what is beyond a row is masked."""

    def __init__(self, rows, grad=False):
        self.lengths = [len(row) for row in rows]
        self.leaf = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).requires_grad_(grad)
        self.mask = torch.nn.utils.rnn.pad_sequence([torch.ones(n) for n in self.lengths], batch_first=True).long()

    def gradient(self):
        return [row[:n] for row, n in zip(self.leaf.grad, self.lengths)]


class Model(SimpleNamespace):
    """Hands out log-probabilities, and noughts for what is only logged."""

    def __init__(self, padded=None, **more):
        super().__init__(padded=padded, training=True, config=None, **more)

    def __call__(self, **_):
        zero = torch.zeros_like(self.padded.leaf)
        return SimpleNamespace(log_probs=self.padded.leaf * self.padded.mask, entropy=zero, mean_logits=zero, is_top1=zero.bool())


def trainer(**own):
    same = lambda x, *_, **__: x
    accelerator = SimpleNamespace(
        device="cpu", gather=same, gather_for_metrics=same, reduce=same, num_processes=1, unwrap_model=same, sync_gradients=True
    )
    metrics = {"train": collections.defaultdict(list)}
    args = SimpleNamespace(gradient_checkpointing_kwargs=None, **own.pop("args", {}))
    return SimpleNamespace(accelerator=accelerator, _metrics=metrics, _total_train_tokens=0, _tp_size=1, aux_loss_enabled=False, args=args, **own)


def batch(padded):
    """Each row behind one token of prompt."""
    before = torch.zeros(len(padded.lengths), 1).long()
    mask = torch.cat([before, padded.mask], 1)
    return {"input_ids": torch.zeros_like(mask), "attention_mask": torch.ones_like(mask), "completion_mask": mask}


def shown(fake):
    return {name: values[-1] for name, values in fake._metrics["train"].items()}


def alternating(rows):
    """Chosen and rejected in turn -> all chosen, then all rejected, as TRL lays them."""
    return rows[0::2] + rows[1::2]


def interleaved(rows):
    half = len(rows) // 2
    return [row for two in zip(rows[:half], rows[half:]) for row in two]


def dpo(data, **own):
    policy, reference = Padded(alternating(data["logprob"]), grad=True), Padded(alternating(data["reference"]))
    settings = {"beta": 0.1, "loss_types": ["sigmoid"], "loss_weights": [1.0], "label_smoothing": 0.0, "f_divergence_type": "reverse_kl", "ld_alpha": None, **own}
    fake = trainer(model=Model(policy), ref_model=Model(reference), precompute_ref_logps=False, use_weighting=False, args={"discopop_tau": 0.05}, **settings)
    loss = dpo_trainer.DPOTrainer._compute_loss(fake, fake.model, batch(policy), False)
    loss.backward()
    return loss, interleaved(policy.gradient()), shown(fake)


def kto(data, estimates, **own):
    """`estimates`: log-ratios whose mean is the KL."""
    policy, reference = Padded(data["logprob"], grad=True), Padded(data["reference"])
    settings = {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0, **own}
    fake = trainer(model=Model(policy), ref_model=Model(reference), precompute_ref_logps=False, calculate_KL=True, loss_type="kto", **settings)
    fake._compute_kl_logps = lambda model, _: torch.tensor(estimates) if model is fake.model else torch.zeros(len(estimates))
    label = torch.tensor(data["label"])
    loss = kto_trainer.KTOTrainer._compute_loss(fake, fake.model, {**batch(policy), "label": label}, False)
    loss.backward()
    return loss, policy.gradient(), shown(fake)


def cpo_pairs(chosen, rejected, **own):
    """Losses of pairs from their log-probabilities (sums, or means a token)."""
    settings = {"beta": 0.1, "alpha": 0.0, "loss_type": "sigmoid", "label_smoothing": 0.0, "simpo_gamma": 0.5, **own}
    return CPOTrainer.cpo_loss(trainer(**settings), chosen, rejected)[0]


def reward(data, centering=None):
    score = torch.tensor(alternating(data["score"])).requires_grad_()
    fake = trainer(model=Model(), args={"center_rewards_coefficient": centering})
    fake.model = lambda **_: SimpleNamespace(logits=score[:, None])
    fake.model.training = True
    inputs = {"margin": torch.tensor(data["margin"][0::2]), "attention_mask": torch.ones(1)}
    loss = reward_trainer.RewardTrainer.compute_loss(fake, fake.model, inputs)
    loss.backward()
    return loss, interleaved(score.grad.tolist()), shown(fake)


def answers(padded, entropy, **more):
    prompt = torch.zeros(len(padded.lengths), 1).long()
    fake_entropy = Padded(entropy).leaf
    inputs = {"prompt_ids": prompt, "prompt_mask": prompt + 1, "completion_ids": padded.mask * 0, "completion_mask": padded.mask, **more}
    return inputs, lambda *_, **__: (padded.leaf, fake_entropy, None)


def grpo(data, advantages, **own):
    policy = Padded(data["logprob"], grad=True)
    tokens = {"old_per_token_logps": Padded(data["old"]).leaf, "ref_per_token_logps": Padded(data["reference"]).leaf}
    inputs, figures = answers(policy, data["entropy"], advantages=advantages, num_items_in_batch=policy.mask.sum(), **tokens)
    settings = {"beta": 0.0, "epsilon_low": 0.2, "epsilon_high": 0.2, "loss_type": "dapo", "importance_sampling_level": "token", "max_completion_length": 8, **own}
    fake = trainer(model=Model(), args={"delta": None, "use_bias_correction_kl": True, "steps_per_generation": 1}, **settings)
    vars(fake).update(top_entropy_quantile=1.0, off_policy_mask_threshold=None, use_vllm=False, current_gradient_accumulation_steps=1, _entropy_bonus_enabled=False)
    fake._get_per_token_logps_and_entropies = figures
    loss = grpo_trainer.GRPOTrainer._compute_loss(fake, fake.model, inputs)
    loss.backward()
    return loss, policy.gradient(), shown(fake)


def rloo(data, advantages, clip):
    policy = Padded(data["logprob"], grad=True)
    inputs, figures = answers(policy, data["entropy"], advantages=advantages, old_logps=torch.stack([row.sum() for row in data["old"]]))
    fake = trainer(model=Model(), epsilon_low=clip, epsilon_high=clip, _get_per_token_logps_and_entropies=figures)
    loss = rloo_trainer.RLOOTrainer._compute_loss(fake, fake.model, inputs)
    loss.backward()
    return loss, policy.gradient(), shown(fake)


def jsd(student, teacher, beta, temperature):
    """Over the whole vocabulary, mean a token."""
    tokens = torch.zeros(1, len(student)).long()
    return GKDTrainer.generalized_jsd_loss(student[None], teacher[None], tokens, beta, temperature, num_items_in_batch=len(student))
