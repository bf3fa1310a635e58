# The log-probability of every token under trl_golden.py's policy and reference, for LD-DPO, whose loss is no function of their sums. Runs the part
# of that script on DPO again, TRL's own trainer included, and writes trl_golden_ld.json. Run after trl_golden.py, in its folder.
import json
exec(open("trl_golden.py").read().split("# ---------------- SFT")[0])
golden = json.load(open("trl_golden.json"))
assert golden["dpo"]["loss"] == g, "other losses than those recorded"
trained = batch["completion_mask"][:, 1:].bool()
rows = lambda x: [S(row[keep]) for row, keep in zip(x, trained)]
tokens = dict(logp_chosen=rows(lp)[:4], logp_rejected=rows(lp)[4:], ref_chosen=rows(lr)[:4], ref_rejected=rows(lr)[4:])
out = dict(versions=golden["versions"], beta=golden["dpo"]["beta"], ld_alpha=0.5, loss=g["sigmoid|ld_alpha=0.5"], **tokens)
with open("trl_golden_ld.json", "w") as file:
    json.dump(out, file), file.write("\n")
