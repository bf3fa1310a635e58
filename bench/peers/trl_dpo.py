"""The peer of `npm run bench -- methods`: TRL's DPOTrainer with a fresh LoRA adapter on all linears, the reference by its base, computed in every step.

usage: trl_dpo.py WORK.json. The trainer runs its own loop; a callback holds it before every step until one is wanted, and takes the time from there
to the end of the step (forward, reference, backward, clipping, optimiser). Numbers of bf16 as TRL has them by default: weights and autocast in bf16.
"""
import sys
import tempfile
import time

from network import network, opened, say, say_end, wanted

work, answers = opened(sys.argv[1])
import datasets
import peft
import tokenizers
import torch
import transformers
import trl

datasets.disable_progress_bars()
vocabulary = work["network"]["vocabulary"]
ids = lambda count: torch.randint(1, vocabulary, (count,)).tolist()
model = network(work)
rows = [{"prompt_ids": ids(work["prompt"]), "chosen_ids": ids(work["answer"]), "rejected_ids": ids(work["answer"])} for _ in range(work["units"])]


class Trainer(trl.DPOTrainer):
    """Rows are ids already."""

    def _prepare_dataset(self, dataset, *_):
        return dataset


class Turns(transformers.TrainerCallback):
    def on_step_begin(self, args, state, control, **_):
        if not wanted():
            say_end(answers)
            sys.exit(0)
        self.start = time.perf_counter()

    def on_step_end(self, args, state, control, **_):
        say(answers, seconds=time.perf_counter() - self.start)


words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<pad>": 0, "<end>": 1}, unk_token="<pad>"))
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>")
arguments = trl.DPOConfig(output_dir=tempfile.gettempdir(), use_cpu=True, bf16=work["dtype"] == "bf16", per_device_train_batch_size=work["units"],
                          gradient_accumulation_steps=1, max_steps=1_000_000, learning_rate=1e-4, max_length=None, logging_strategy="no",
                          save_strategy="no", report_to=[], disable_tqdm=True, gradient_checkpointing=work["checkpointing"], beta=0.1)
lora = peft.LoraConfig(r=work["rank"], lora_alpha=2 * work["rank"], target_modules="all-linear", task_type="CAUSAL_LM")
trainer = Trainer(model=model, args=arguments, train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer, peft_config=lora, callbacks=[Turns()])
say(answers, torch=torch.__version__, transformers=transformers.__version__, trl=trl.__version__, peft=peft.__version__, threads=torch.get_num_threads())
trainer.train()
