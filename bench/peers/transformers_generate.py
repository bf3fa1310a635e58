"""The peer of `npm run bench -- rollout`: transformers' generate, all prompts in one batch, num_return_sequences answers each, sampled at temperature 1.

usage: transformers_generate.py WORK.json. Every answer has the same number of new tokens: there is no end token.
"""
import sys
import time

from network import network, opened, say, say_end, wanted

work, answers = opened(sys.argv[1])
import torch
import transformers

model = network(work).eval()
prompts = torch.randint(1, model.config.vocab_size, (work["prompts"], work["promptLength"]))
count = work["newTokens"]
options = dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, num_return_sequences=work["samples"], min_new_tokens=count, max_new_tokens=count)
say(answers, torch=torch.__version__, transformers=transformers.__version__, threads=torch.get_num_threads())
while wanted():
    start = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(prompts, attention_mask=torch.ones_like(prompts), **options)
    say(answers, seconds=time.perf_counter() - start, made=out.shape[0] * (out.shape[1] - prompts.shape[1]))
say_end(answers)
