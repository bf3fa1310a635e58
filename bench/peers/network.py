"""What the peers share: the work file, a network of its shape with random weights (or the checkpoint that it names), and the talk of one line per step."""
import json
import os
import resource
import sys


def opened(path):
    """The work file -> (its work, where answers go). To be called before torch is imported: it sets the number of threads."""
    with open(path) as file:
        work = json.load(file)["work"]
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    os.environ.update(OMP_NUM_THREADS=str(work["threads"]), CUDA_VISIBLE_DEVICES="", **quiet)
    answers = os.fdopen(os.dup(1), "w")  # libraries may print: their words must not be taken for answers
    os.dup2(2, 1)
    return work, answers


def network(work):
    import torch
    import transformers

    torch.set_num_threads(work["threads"])
    torch.manual_seed(0)
    dtype = {"bf16": torch.bfloat16, "f32": torch.float32}[work["dtype"]]
    if "model" in work:
        return transformers.AutoModelForCausalLM.from_pretrained(work["model"], dtype=dtype)
    s = work["network"]
    config = transformers.LlamaConfig(hidden_size=s["hidden"], intermediate_size=s["inner"], num_hidden_layers=s["layers"], num_attention_heads=s["heads"],
                                      num_key_value_heads=s["kvHeads"], head_dim=s["headSize"], vocab_size=s["vocabulary"], tie_word_embeddings=s["tied"],
                                      max_position_embeddings=s["context"], rope_theta=s["rotary"]["base"], dtype=dtype,
                                      bos_token_id=None, eos_token_id=None, pad_token_id=0)
    torch.set_default_dtype(dtype)
    model = transformers.LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    return model


def say(answers, **value):
    print(json.dumps(value), file=answers, flush=True)


def wanted():
    """Waits for the next line -> whether a step is wanted."""
    return (sys.stdin.readline().strip() or "end") != "end"


def say_end(answers):
    say(answers, peakMiB=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
