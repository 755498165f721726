"""Measure training: the article's recipe, TRL, and this project's own trainer, on one machine in one call.

    python benchmarks/train.py                          # all, each in a process of its own
    python benchmarks/train.py --only article,default
    python benchmarks/train.py --tiny --seconds 1       # whether the script runs; for a CPU too

The model has the shape of Mistral-7B and random weights; nothing is downloaded. The samples are synthetic chats:
lengths log-normal around 60 tokens, cut at 256, every token but the first learned. Only tokens that are no padding
count. MFU is 4 FLOP a weight and useful token (the base is frozen: a product forward, one back), 6 an adapter weight,
and attention's, over the rate of an 8192-cube product of random bfloat16 numbers, measured first.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

FULL = {"vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
FULL |= {"num_key_value_heads": 8, "intermediate_size": 14336}
SMALL = {"vocab_size": 512, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL |= {"num_key_value_heads": 2, "intermediate_size": 256}
QKVO = ["q_proj", "k_proj", "v_proj", "o_proj"]

# Settings over a preset, warm-up updates, and what the table calls it.
OURS: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "default": ("default", {}, 6, "ours, preset default"),
    "samples16": ("default", {"batch_samples": 16}, 120, "ours, 16 samples an update"),
    "small": ("small", {}, 14, "ours, preset small"),
    "written": ("default", {"compile": False}, 4, "ours, layers as written"),
    "fp16": (
        "default",
        {"compute_dtype": "float16", "attention": "sdpa", "row_tokens": 2048},
        4,
        "ours, float16 and sdpa",
    ),
}
THEIRS = {
    "article": "the article's recipe",
    "trl": "TRL SFTTrainer, defaults, 4 x 4",
    "trl_packed": "TRL packed 4 x 2048, varlen, Liger",
}
ALL = ["article", "default", "samples16", "small", "trl_packed", "trl", "written", "fp16"]


def write_base(folder: Path, shape: dict[str, int]) -> None:
    """Write a checkpoint of random weights, a layer at a time, and a tokenizer of numbered words."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import MistralConfig, PreTrainedTokenizerFast

    folder.mkdir(parents=True)
    MistralConfig(
        **shape,
        max_position_embeddings=4096,
        sliding_window=None,
        tie_word_embeddings=False,
        architectures=["MistralForCausalLM"],
        dtype="bfloat16",
    ).save_pretrained(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator(device).manual_seed(0)
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    narrow = hidden // shape["num_attention_heads"] * shape["num_key_value_heads"]

    def draw(rows: int, columns: int) -> torch.Tensor:
        return (torch.randn(rows, columns, generator=generator, device=device) * 0.02).bfloat16().cpu()

    index: dict[str, str] = {}

    def save(name: str, tensors: dict[str, torch.Tensor]) -> None:
        save_file(tensors, folder / name, metadata={"format": "pt"})
        index.update(dict.fromkeys(tensors, name))

    for layer in range(shape["num_hidden_layers"]):
        shapes = {
            "self_attn.q_proj": (hidden, hidden),
            "self_attn.k_proj": (narrow, hidden),
            "self_attn.v_proj": (narrow, hidden),
            "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
        }
        tensors = {f"model.layers.{layer}.{name}.weight": draw(*size) for name, size in shapes.items()}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{norm}.weight"] = torch.ones(hidden).bfloat16()
        save(f"layer-{layer}.safetensors", tensors)
    rest = {"model.embed_tokens.weight": draw(shape["vocab_size"], hidden)}
    rest |= {"lm_head.weight": draw(shape["vocab_size"], hidden), "model.norm.weight": torch.ones(hidden).bfloat16()}
    save("rest.safetensors", rest)
    listing = {"metadata": {"total_size": 0}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(listing))
    words = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"w{number}": number for number in range(3, shape["vocab_size"])}
    special = dict(zip(("unk_token", "bos_token", "eos_token", "pad_token"), [*[*words][:3], "</s>"], strict=True))
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=next(iter(words))))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


def invent_samples(count: int, vocabulary: int) -> list[list[int]]:
    """Return token lists of the lengths that short chats have."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(math.log(60.0), 0.6, count).astype(int), 8, 256)
    return [np.minimum((rng.pareto(1.1, n) * 3).astype(int) + 3, vocabulary - 1).tolist() for n in lengths]


def count_flop(shape: dict[str, int], adapter: int, lengths: np.ndarray[Any, Any]) -> float:
    """Return the least work that training on some samples takes."""
    hidden, layers = shape["hidden_size"], shape["num_hidden_layers"]
    narrow = hidden // shape["num_attention_heads"] * shape["num_key_value_heads"]
    weights = layers * (2 * hidden * (hidden + narrow) + 3 * hidden * shape["intermediate_size"])
    weights += hidden * shape["vocab_size"]
    attention = 6.0 * hidden * layers * float((lengths.astype(float) ** 2).sum())
    return float(lengths.sum()) * (4 * weights + 6 * adapter) + attention


class Clock:
    """Progress that remembers when each update was done, and what was said."""

    def __init__(self) -> None:
        self.done: list[tuple[float, int]] = []
        self.losses: list[float] = []
        self.estimate: dict[str, Any] = {}
        self.lines: list[str] = []

    def report(self, event: str, /, **values: Any) -> None:
        """Take an event."""
        if event == "step":
            self.done.append((time.perf_counter(), values["step"]))
            self.losses.append(values["loss"])
        elif event == "estimate":
            self.estimate = values
        elif event == "note":
            self.lines.append(values["text"])


def run_ours(name: str, work: Path, shape: dict[str, int], seconds: float) -> dict[str, Any]:
    """Train with the product's own Learner, which `clone train` uses, and time its updates after the warm-up."""
    import torch

    from training.config import make_config
    from training.data.prepare import HELD_OUT, TRAIN
    from training.learning.checkpoint import RunFolder
    from training.learning.learner import Learner
    from training.learning.packing import Tokens
    from training.learning.plan import plan_epochs

    preset, settings, warm, _ = OURS[name]
    warm = warm if shape is FULL else 1
    config = make_config(preset, {"save_every": 10**6, "data": {"max_tokens": 256}, "epochs": 20, **settings})
    run = RunFolder.create(work / "runs", datetime.now(UTC))
    for folder, count in ((TRAIN, 8000 if shape is FULL else 80), (HELD_OUT, 8)):
        samples = invent_samples(count, shape["vocab_size"])
        offsets = np.concatenate(([0], np.cumsum([len(sample) for sample in samples]))).astype(np.int64)
        learn = np.ones(offsets[-1], dtype=np.bool_)
        learn[offsets[:-1]] = False
        zeros = np.zeros(count, dtype=np.int64)
        flat = np.concatenate(samples).astype(np.int32)
        Tokens(ids=flat, learn=learn, offsets=offsets, chats=zeros, characters=zeros + 1).save(run.path / folder)
    progress, began = Clock(), time.perf_counter()
    places: dict[str, Any] = {"models": work / "models", "run": run, "parent": None, "current": None}
    learner = Learner.load(config, base=str(work / "base"), progress=progress, **places)
    loaded = time.perf_counter() - began

    def enough() -> bool:
        first = next((at for at, step in progress.done if step >= warm), None)
        return first is not None and progress.done[-1][0] - first > seconds

    failed = None
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        learner.learn(should_stop=enough)
    except Exception as exc:
        failed = exc if type(exc).__name__ != "TrainingStoppedError" else None
    if failed:
        raise failed
    plan, _ = plan_epochs(config, learner.train)
    # Losses are told in groups when the last of them is there: only that one's time is the time of its update.
    later = [*progress.done[1:], (math.inf, 0)]
    groups = [pair for pair, after in zip(progress.done, later, strict=True) if after[0] - pair[0] > 1e-3]
    groups = [pair for pair in groups if pair[1] >= warm]
    (start, first), (end, last) = groups[0], groups[-1]
    lengths = learner.train.lengths[np.concatenate(plan[first:last])]
    told = progress.estimate
    return {
        "seconds": end - start,
        "updates": last - first,
        "lengths": lengths.tolist(),
        "adapter": sum(p.numel() for p in learner.model.parameters() if p.requires_grad),
        "losses": progress.losses,
        "lines": progress.lines,
        "warm_s": round(start - began - loaded, 1),
        "load_s": round(loaded, 1),
        "estimated_tokens_per_s": told.get("tokens_per_s"),
        "estimated_gib": (told.get("memory_gib") or {}).get("total"),
        "row_tokens": told.get("row_tokens"),
    }


def run_theirs(name: str, work: Path, shape: dict[str, int], seconds: float) -> dict[str, Any]:
    """Train with transformers's Trainer as the article does, or with TRL."""
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

    from training.learning.attention import name_attention, register_attention

    cuda = torch.cuda.is_available()
    half = torch.float16 if name == "article" else torch.bfloat16
    register_attention()
    tokenizer = AutoTokenizer.from_pretrained(work / "base")
    model = AutoModelForCausalLM.from_pretrained(
        work / "base",
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
    lora = LoraConfig(r=8, lora_alpha=32, lora_dropout=0.05, target_modules=QKVO, task_type="CAUSAL_LM")
    warm = 2
    times: list[tuple[float, int]] = []
    batches: list[list[int]] = []

    class Timer(TrainerCallback):  # type: ignore[misc]  # transformers ships no annotations
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            if cuda:
                torch.cuda.synchronize()
            times.append((time.perf_counter(), len(batches)))
            control.should_training_stop = len(times) > warm + 2 and times[-1][0] - times[warm][0] > seconds
            return control

    def counting(base: Any) -> Any:
        class Counting(base):  # type: ignore[misc]  # the same
            def training_step(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
                if inputs.get("attention_mask") is not None:
                    batches.append(inputs["attention_mask"].sum(1).tolist())
                else:
                    starts = (inputs["position_ids"].flatten() == 0).nonzero().flatten().tolist()
                    batches.append(np.diff([*starts, inputs["position_ids"].numel()]).tolist())
                return super().training_step(model, inputs, *rest, **named)

        return Counting

    options: dict[str, Any] = {
        "output_dir": str(work / "out"),
        "max_steps": 10_000,
        "learning_rate": 2e-4,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": not cuda,
        "disable_tqdm": True,
    }
    rows = Dataset.from_dict({"input_ids": invent_samples(4000 if shape is FULL else 80, shape["vocab_size"])})
    if name == "article":
        model = get_peft_model(prepare_model_for_kbit_training(model), lora)
        args = TrainingArguments(
            **options,
            per_device_train_batch_size=4,
            gradient_accumulation_steps=4,
            fp16=cuda,
            optim="paged_adamw_8bit",
            warmup_steps=2,
        )
        collate = DataCollatorForLanguageModeling(tokenizer, mlm=False)
        trainer = counting(Trainer)(
            model=model, args=args, train_dataset=rows, data_collator=collate, callbacks=[Timer()]
        )
    else:
        from trl import SFTConfig, SFTTrainer

        packed = name == "trl_packed"
        more: dict[str, Any] = {"bf16": cuda, "max_length": 256}
        if packed:
            more |= {"packing": True, "max_length": 2048, "use_liger_kernel": cuda, "gradient_checkpointing": False}
            more |= {"per_device_train_batch_size": 4}
        else:
            more |= {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4}
        trainer = counting(SFTTrainer)(
            model=model,
            args=SFTConfig(**options, **more),
            train_dataset=rows,
            processing_class=tokenizer,
            peft_config=lora,
            callbacks=[Timer()],
        )
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    (start, first), (end, last) = times[warm], times[-1]
    return {
        "seconds": end - start,
        "updates": len(times) - warm - 1,
        "lengths": [length for batch in batches[first:last] for length in batch],
        "adapter": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "lines": [],
    }


def measure_rate() -> float:
    """Return FLOP/s of a large product of random bfloat16 numbers; 1e12 stands for an unmeasured CPU."""
    import torch

    if not torch.cuda.is_available():
        return 1e12
    left, right = (torch.randn(8192, 8192, device="cuda").bfloat16() for _ in range(2))
    for _ in range(3):
        left @ right
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        left @ right
    torch.cuda.synchronize()
    return 10 * 2 * 8192.0**3 / (time.perf_counter() - start)


def run_child(name: str, work: Path, shape: dict[str, int], seconds: float) -> None:
    """Run one variant and write what was measured."""
    import torch

    run = run_ours if name in OURS else run_theirs
    found = run(name, work, shape, seconds)
    lengths = np.array(found.pop("lengths"))
    took = found["seconds"]
    cuda = torch.cuda.is_available()
    found |= {
        "name": name,
        "tokens_per_s": float(lengths.sum()) / took,
        "tokens_per_update": float(lengths.sum()) / found["updates"],
        "ms_per_update": 1000 * took / found["updates"],
        "flop_per_s": count_flop(shape, found["adapter"], lengths) / took,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0,
        "reserved_gib": torch.cuda.max_memory_reserved() / 2**30 if cuda else 0.0,
    }
    (work / f"{name}.json").write_text(json.dumps(found))


def show(results: list[dict[str, Any]], rate: float) -> None:
    """Print the table of what was measured."""
    article = next((found["tokens_per_s"] for found in results if found["name"] == "article"), None)
    names = {**THEIRS, **{name: text for name, (*_, text) in OURS.items()}}
    print("\n| variant | useful tok/s | x article | tok/update | ms/update | peak GiB | reserved | MFU | estimated |")
    print("|---|---|---|---|---|---|---|---|---|")
    for found in results:
        times = f"{found['tokens_per_s'] / article:.1f}" if article else ""
        said = f"{found.get('estimated_tokens_per_s') or 0:,.0f} tok/s, {found.get('estimated_gib') or 0:.1f} GiB"
        print(
            f"| {names[found['name']]} | {found['tokens_per_s']:,.0f} | {times} | {found['tokens_per_update']:,.0f} "
            f"| {found['ms_per_update']:,.1f} | {found['peak_gib']:.2f} | {found['reserved_gib']:.2f} "
            f"| {100 * found['flop_per_s'] / rate:.1f} % | {said if found['name'] in OURS else ''} |"
        )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ALL), help="variants, in order")
    parser.add_argument("--work", type=Path, default=Path("/tmp/clone-bench"))  # noqa: S108 - a benchmark's own folder
    parser.add_argument("--seconds", type=float, default=10, help="measured for each variant, at least")
    parser.add_argument("--limit", type=float, default=540, help="seconds for everything")
    parser.add_argument("--tiny", action="store_true", help="a model of two narrow layers")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    shape = SMALL if args.tiny else FULL
    if args.child:
        run_child(args.child, args.work, shape, args.seconds)
        return
    began = time.monotonic()
    if not (args.work / "base").is_dir():
        write_base(args.work / "base", shape)
    rate = measure_rate()
    print(f"base written in {time.monotonic() - began:.0f} s; bfloat16 products at {rate / 1e12:.0f} TFLOP/s")
    for package in ("torch", "triton", "transformers", "peft", "bitsandbytes", "liger-kernel", "trl"):
        try:
            print(package, version(package), end="  ")
        except PackageNotFoundError:
            print(package, "-", end="  ")
    print(flush=True)
    results = []
    for name in args.only.split(","):
        left = args.limit - (time.monotonic() - began)
        if left < 3 * args.seconds:
            print(f"{name}: left out, no time")
            continue
        log = args.work / f"{name}.log"
        command = [sys.executable, __file__, "--child", name, "--work", str(args.work), "--seconds", str(args.seconds)]
        with log.open("w") as file:
            try:
                subprocess.run(
                    [*command, *(["--tiny"] if args.tiny else [])], stdout=file, stderr=file, timeout=left, check=True
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
                print(f"{name}: {type(exc).__name__}\n{log.read_text()[-1500:]}", flush=True)
                continue
        found = json.loads((args.work / f"{name}.json").read_text())
        results.append(found)
        losses = found.pop("losses")
        print(name, json.dumps(found | {"first_loss": losses[0], "last_loss": losses[-1]}), flush=True)
    show(results, rate)


if __name__ == "__main__":
    main()
