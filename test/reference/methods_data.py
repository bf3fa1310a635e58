"""Figures that the methods are compared on: log-probabilities, references, scores, values, rewards of sequences of uneven length, in double precision."""
import torch

torch.set_default_dtype(torch.float64)
random = torch.Generator().manual_seed(11)


def noise(lengths, size=1.0):
    return [torch.randn(n, generator=random) * size for n in lengths]


def logprobs(lengths):
    return [-0.05 - 5 * torch.rand(n, generator=random) for n in lengths]


def near(rows, size=0.4):
    """Log-probabilities of another model: not far off, and below 0."""
    return [torch.minimum(row + part, torch.tensor(-0.01)) for row, part in zip(rows, noise([len(r) for r in rows], size))]


def pairs():
    """Chosen and rejected of five pairs in turn. In `prompted` each begins with log-probabilities of its prompt."""
    lengths = [4, 3, 5, 6, 2, 4, 3, 2, 1, 3]
    prompts = [n for size in (3, 2, 4, 1, 2) for n in (size, size)]
    policy = logprobs(lengths)
    return {
        "logprob": policy,
        "reference": near(policy, 1.5),  # far enough that gaps come in another order, for aot
        "promptLogprob": logprobs(prompts),
        "margin": [value for m in (0.0, 0.3, 1.0, 0.0, 0.7) for value in (m, 0.0)],
        "score": (torch.randn(10, generator=random) * 1.5).tolist(),
        "group": [n // 2 for n in range(10)],
    }


def thumbs():
    lengths = [4, 2, 3, 6, 1, 3]
    policy = logprobs(lengths)
    return {
        "logprob": policy,
        "reference": near(policy),
        "label": [1, 0, 1, 1, 0, 1],
        "mismatch": [0.9, -0.4, 1.3, 0.2, -0.1, 0.6],
        "group": list(range(6)),
    }


def rankings():
    """Three rankings, the second with ties."""
    return {"score": (torch.randn(9, generator=random)).tolist(), "group": [0, 0, 0, 0, 1, 1, 1, 2, 2], "rank": [1, 2, 3, 4, 1, 2, 2, 1, 2]}


def rollouts():
    """Three prompts with three answers each: figures when they were written (old), and now that the policy has moved."""
    lengths = [5, 3, 4, 2, 6, 1, 3, 4, 2]
    old = logprobs(lengths)
    value = noise(lengths)
    return {
        "old": old,
        "oldValue": value,
        "logprob": near(old, 0.3),
        "value": [v + part for v, part in zip(value, noise(lengths, 0.3))],
        "reference": near(old, 0.3),
        "entropy": [row.abs() for row in noise(lengths)],
        "reward": [1.0, -0.5, 0.25, 0.0, 2.0, 1.0, 0.5, 0.5, 0.5],
        "stopped": [1, 1, 0, 1, 0, 1, 1, 1, 1],
        "group": [n // 3 for n in range(9)],
    }
