"""What TRL has not, or has in single precision only, written down in plain PyTorch: sums over explicit lists, no code shared with attune."""
import torch
import torch.nn.functional as F

log_sigmoid, sigmoid = F.logsigmoid, torch.sigmoid


def leaves(rows):
    return [row.clone().requires_grad_() for row in rows]


def finish(loss, *groups):
    """-> loss, gradients of each group of leaves (noughts where a leaf was not used)."""
    loss.backward()
    return (loss, *([torch.zeros_like(x) if x.grad is None else x.grad for x in group] for group in groups))


def sums(rows):
    return torch.stack([row.sum() for row in rows])


def means(rows):
    return torch.stack([row.mean() for row in rows])


def smoothed_sigmoid(data, beta, smoothing):
    """Conservative DPO, which TRL cannot reach."""
    policy = leaves(data["logprob"])
    u = sums(policy) - sums(data["reference"])
    x = beta * (u[0::2] - u[1::2])
    return finish((-(1 - smoothing) * log_sigmoid(x) - smoothing * log_sigmoid(-x)).mean(), policy)


def alpha_divergence(data, beta, alpha):
    policy = leaves(data["logprob"])
    s = (torch.exp((alpha - 1) * (sums(policy) - sums(data["reference"]))) - 1) / (alpha - 1)
    return finish(-log_sigmoid(beta * (s[0::2] - s[1::2])).mean(), policy)


def orpo(data, beta, full=False):
    policy, prompts = leaves(data["logprob"]), leaves(data["promptLogprob"])
    log_odds = torch.stack([row.mean() - torch.log(1 - torch.exp(row.mean())) for row in policy])
    chosen = [torch.cat([p, a]) if full else a for p, a in zip(prompts[0::2], policy[0::2])]
    loss = -torch.cat(chosen).mean() - beta * log_sigmoid(log_odds[0::2] - log_odds[1::2]).mean()
    return finish(loss, policy, prompts)


def with_likelihood(data, pairs, weight, mean):
    """`pairs`: losses from the log-probabilities of chosen and rejected."""
    policy = leaves(data["logprob"])
    l = means(policy) if mean else sums(policy)
    return finish(pairs(l[0::2], l[1::2]).mean() - weight * torch.cat(policy[0::2]).mean(), policy)


def plackett_luce(data, centering):
    score = torch.tensor(data["score"]).requires_grad_()
    terms = []
    for group in sorted(set(data["group"])):
        own = [i for i, g in enumerate(data["group"]) if g == group]
        rank = data["rank"]
        worse = {i: [j for j in own if rank[j] > rank[i]] for i in own}
        terms.append(-sum(score[i] - torch.log(sum(torch.exp(score[j]) for j in [i, *worse[i]])) for i in own if worse[i]))
        terms[-1] = terms[-1] + centering * (2 * score[own].mean()) ** 2
    loss = sum(terms) / len(terms)
    loss.backward()
    return loss, score.grad.tolist()


def whiten(x, shift=True):
    y = (x - x.mean()) / torch.sqrt(x.var() + 1e-8)
    return y if shift else y + x.mean()


def ppo_advantages(data, gamma=1.0, lam=0.95, coefficient=0.05, estimator="k1", whitenRewards=False, missingStopPenalty=0.0):
    """Of recorded rollouts: advantages by the definition of GAE as a double sum, whitened, and returns, both (N); kl of each answer."""
    estimate = (lambda d: -d) if estimator == "k1" else (lambda d: torch.exp(d) - 1 - d)
    kl = [estimate(ref - old) for old, ref in zip(data["old"], data["reference"])]
    rewards = [-coefficient * one for one in kl]
    for one, earned, stopped in zip(rewards, data["reward"], data["stopped"]):
        one[-1] += earned - (0.0 if stopped else missingStopPenalty)
    if whitenRewards:
        rewards = list(torch.split(whiten(torch.cat(rewards), shift=False), [len(r) for r in rewards]))
    advantages = []
    for r, v in zip(rewards, data["oldValue"]):
        after = torch.cat([v[1:], torch.zeros(1)])
        delta = r + gamma * after - v
        advantages.append(torch.stack([sum((gamma * lam) ** (k - t) * delta[k] for k in range(t, len(r))) for t in range(len(r))]))
    raw = torch.cat(advantages)
    return whiten(raw), raw + torch.cat(data["oldValue"]), kl


def ppo(data, clip=0.2, valueClip=0.2, valueWeight=0.1, **own):
    """One update on recorded rollouts: advantages, returns, loss, gradients."""
    A, returns, kl = ppo_advantages(data, **own)
    values = torch.cat(data["oldValue"])
    policy, value = leaves(data["logprob"]), leaves(data["value"])
    ratio = torch.exp(torch.cat(policy) - torch.cat(data["old"]))
    policy_loss = torch.max(-A * ratio, -A * ratio.clamp(1 - clip, 1 + clip))
    V = torch.cat(value)
    held = values + (V - values).clamp(-valueClip, valueClip)
    value_loss = 0.5 * torch.max((V - returns) ** 2, (held - returns) ** 2)
    loss, by_logprob, by_value = finish(policy_loss.mean() + valueWeight * value_loss.mean(), policy, value)
    clipped = (-A * ratio.clamp(1 - clip, 1 + clip) > -A * ratio).double().mean()
    figures = {
        "kl": torch.cat(kl).mean(),
        "valueLoss": value_loss.mean(),
        "clipFraction": clipped,
        "explainedVariance": 1 - (returns - values).var() / returns.var(),
    }
    return loss, by_logprob, by_value, {name: float(x) for name, x in figures.items()}, A, returns


def group_advantages(data, scale):
    reward = torch.tensor(data["reward"])
    whole = reward.std()
    found = []
    for group in sorted(set(data["group"])):
        own = reward[[i for i, g in enumerate(data["group"]) if g == group]]
        divisor = {"group": own.std() + 1e-4, "batch": whole + 1e-4, "none": 1.0}[scale]
        found.append((own - own.mean()) / divisor)
    return torch.cat(found)


def leave_one_out(data, beta):
    kl = [(old - ref).sum() for old, ref in zip(data["old"], data["reference"])]
    R = [r - float(beta * k) for r, k in zip(data["reward"], kl)]
    found = []
    for i, own in enumerate(data["group"]):
        others = [R[j] for j, g in enumerate(data["group"]) if g == own and j != i]
        found.append(R[i] - sum(others) / len(others))
    return torch.tensor(found)


def distill(student, teacher, K, beta, temperature):
    """(T, V) logits -> the teacher's K largest, both models' log-probabilities of them, loss, gradient by the student's logits."""
    z = student.clone().requires_grad_()
    q, p = torch.log_softmax(z / temperature, -1), torch.log_softmax(teacher / temperature, -1)
    ids = p.topk(K, -1).indices
    rest = lambda log: torch.cat([log.gather(-1, ids), torch.log(1 - log.gather(-1, ids).exp().sum(-1, keepdim=True))], -1)
    a, b = rest(p), rest(q)
    kl = lambda x, y: (x.exp() * (x - y)).sum(-1)
    m = torch.log(beta * a.exp() + (1 - beta) * b.exp())
    each = kl(a, b) if beta == 0 else kl(b, a) if beta == 1 else beta * kl(a, m) + (1 - beta) * kl(b, m)
    loss = each.mean()
    loss.backward()
    return ids, p.gather(-1, ids), q.detach().gather(-1, ids), loss, z.grad
