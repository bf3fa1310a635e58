"""The peer of `npm run bench -- train`: the same LoRA step in PyTorch + PEFT. Reads one line of standard input per step, answers with its seconds.

usage: torch_train.py --dtype f32|bf16 --threads N --sequences 4 --length 512 --rank 16 --shape JSON | --model DIR
First line of the answer: versions. A line `end` gives the peak of its resident memory in MiB. Adapters stay in float32, as PEFT has it by default.
"""
import argparse
import json
import os
import resource
import sys
import time

a = argparse.ArgumentParser()
for name, kind in (("dtype", str), ("threads", int), ("sequences", int), ("length", int), ("rank", int), ("shape", str), ("model", str)):
    a.add_argument(f"--{name}", type=kind)
a = a.parse_args()
os.environ.update(OMP_NUM_THREADS=str(a.threads), HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")
answers = os.fdopen(os.dup(1), "w")  # libraries may print: their words must not be taken for answers
os.dup2(2, 1)
import peft
import torch
import transformers

transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(a.threads)
torch.manual_seed(0)
dtype = torch.bfloat16 if a.dtype == "bf16" else torch.float32
if a.model:
    model = transformers.AutoModelForCausalLM.from_pretrained(a.model, dtype=dtype)
else:
    s = json.loads(a.shape)
    config = transformers.LlamaConfig(hidden_size=s["hidden"], intermediate_size=s["inner"], num_hidden_layers=s["layers"], num_attention_heads=s["heads"],
                                      num_key_value_heads=s["kvHeads"], head_dim=s["headSize"], vocab_size=s["vocabulary"], tie_word_embeddings=s["tied"],
                                      max_position_embeddings=s["context"], rope_theta=s["rotary"]["base"], dtype=dtype)
    torch.set_default_dtype(dtype)
    model = transformers.LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
model = peft.get_peft_model(model, peft.LoraConfig(r=a.rank, lora_alpha=2 * a.rank, target_modules="all-linear", task_type="CAUSAL_LM"))
model.train()
model.config.use_cache = False
trained = [p for p in model.parameters() if p.requires_grad]
optimiser = torch.optim.AdamW(trained, lr=1e-4)
ids = torch.randint(0, model.config.vocab_size, (a.sequences, a.length))


def step():
    start = time.perf_counter()
    model(input_ids=ids, labels=ids).loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimiser.step()
    optimiser.zero_grad()
    return time.perf_counter() - start


def answer(value):
    print(json.dumps(value), file=answers, flush=True)


answer({"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "threads": torch.get_num_threads()})
for line in sys.stdin:
    if line.strip() == "end":
        answer({"peakMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})
        break
    answer({"seconds": step()})
