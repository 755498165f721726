"""Training as others do it, timed: transformers's Trainer as in the article, and TRL."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.speed.base import invent_samples
from benchmarks.speed.variants import FULL
from training.fast.attention import name_attention, register_attention

WARM = 2  # updates before measuring begins
LORA = LoraConfig(
    r=8,
    lora_alpha=32,
    lora_dropout=0.05,
    target_modules=["q_proj", "k_proj", "v_proj", "o_proj"],
    task_type="CAUSAL_LM",
)


class Timer(TrainerCallback):  # type: ignore[misc]  # transformers ships no annotations
    """Remembers when each update was done, and after how many batches; stops after some seconds."""

    def __init__(self, batches: list[list[int]], seconds: float) -> None:
        self.batches, self.seconds = batches, seconds
        self.times: list[tuple[float, int]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Take the time of an update."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times = self.times
        times.append((time.perf_counter(), len(self.batches)))
        control.should_training_stop = len(times) > WARM + 2 and times[-1][0] - times[WARM][0] > self.seconds
        return control


def count_batches(base: Any, batches: list[list[int]]) -> Any:
    """Return a trainer's class that notes the lengths of the samples of each batch, without padding."""

    class Counting(base):  # type: ignore[misc]  # transformers ships no annotations
        def training_step(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
            if inputs.get("attention_mask") is not None:
                batches.append(inputs["attention_mask"].sum(1).tolist())
            else:
                starts = (inputs["position_ids"].flatten() == 0).nonzero().flatten().tolist()
                batches.append(np.diff([*starts, inputs["position_ids"].numel()]).tolist())
            return super().training_step(model, inputs, *rest, **named)

    return Counting


def run_theirs(name: str, work: Path, shape: dict[str, int], seconds: float) -> dict[str, Any]:
    """Train, and time the updates after the warm-up."""
    batches: list[list[int]] = []
    timer = Timer(batches, seconds)
    samples = invent_samples(4000 if shape is FULL else 80, shape["vocab_size"])
    setup: dict[str, Any] = {
        "model": _load_model(name, work / "base"),
        "train_dataset": Dataset.from_dict({"input_ids": samples}),
        "callbacks": [timer],
    }
    tokenizer = AutoTokenizer.from_pretrained(work / "base")
    if name == "article":
        trainer = _make_article(setup, tokenizer, batches=batches, out=work / "out")
    else:
        trainer = _make_trl(setup, tokenizer, batches=batches, out=work / "out", packed=name == "trl_packed")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    (start, first), (end, last) = timer.times[WARM], timer.times[-1]
    return {
        "seconds": end - start,
        "updates": len(timer.times) - WARM - 1,
        "lengths": [length for batch in batches[first:last] for length in batch],
        "adapter": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "lines": [],
    }


def _load_model(name: str, base: Path) -> Any:
    cuda = torch.cuda.is_available()
    half = torch.float16 if name == "article" else torch.bfloat16
    register_attention()
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=half,
        device_map={"": 0 if cuda else "cpu"},
        attn_implementation=name_attention("varlen") if name == "trl_packed" and cuda else "sdpa",
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=half,
        ),
    )
    model.config.use_cache = False
    return model


def _list_options(out: Path) -> dict[str, Any]:
    return {
        "output_dir": str(out),
        "max_steps": 10_000,
        "learning_rate": 2e-4,
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": not torch.cuda.is_available(),
        "disable_tqdm": True,
    }


def _make_article(setup: dict[str, Any], tokenizer: Any, *, batches: list[list[int]], out: Path) -> Any:
    setup["model"] = get_peft_model(prepare_model_for_kbit_training(setup["model"]), LORA)
    args = TrainingArguments(
        **_list_options(out),
        gradient_accumulation_steps=4,
        fp16=torch.cuda.is_available(),
        optim="paged_adamw_8bit",
        warmup_steps=2,
    )
    collate = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    return count_batches(Trainer, batches)(**setup, args=args, data_collator=collate)


def _make_trl(setup: dict[str, Any], tokenizer: Any, *, batches: list[list[int]], out: Path, packed: bool) -> Any:
    from trl import SFTConfig, SFTTrainer

    cuda = torch.cuda.is_available()
    more: dict[str, Any] = {"max_length": 256, "gradient_accumulation_steps": 4}
    if packed:
        more = {"packing": True, "max_length": 2048, "use_liger_kernel": cuda, "gradient_checkpointing": False}
    args = SFTConfig(**_list_options(out), bf16=cuda, **more)
    return count_batches(SFTTrainer, batches)(**setup, args=args, processing_class=tokenizer, peft_config=LORA)
