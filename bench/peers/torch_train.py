"""The peer of `npm run bench -- train`: the same LoRA step in PyTorch + PEFT.

usage: torch_train.py WORK.json. Adapters stay in float32, as PEFT has it by default.
"""
import sys
import time

from network import network, opened, say, say_end, wanted

work, answers = opened(sys.argv[1])
import peft
import torch
import transformers

transformers.utils.logging.disable_progress_bar()
rank = work["rank"]
model = peft.get_peft_model(network(work), peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"))
model.train()
model.config.use_cache = False
trained = [p for p in model.parameters() if p.requires_grad]
optimiser = torch.optim.AdamW(trained, lr=1e-4)
ids = torch.randint(0, model.config.vocab_size, (work["sequences"], work["length"]))
say(answers, torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__, threads=torch.get_num_threads())
while wanted():
    start = time.perf_counter()
    model(input_ids=ids, labels=ids).loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimiser.step()
    optimiser.zero_grad()
    say(answers, seconds=time.perf_counter() - start)
say_end(answers)
