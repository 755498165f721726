"""Pretrain the embedded base `tiny` on a GPU and pack its weights.

    python -m tools.tiny.pretrain --corpus DIR --tokenizer training/tiny --out OUT/weights.int8.safetensors

The packed file, beside the tokenizer and config of training/tiny, is the whole base; docs/experiments.md has the
figures.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

from tools.tiny.corpus import (
    Corpus,
    Dialogue,
    Mix,
    build_epoch,
    parse_dialogues,
    read_corpus,
    render_dialogue,
)
from tools.tiny.muon import BatchedMuon
from training.tiny.packing import pack_weights, unpack_weights

IGNORED = -100
SAMPLE_PROMPTS = (
    "hi, how are you?",
    "what are you doing tonight?",
    "do you like music",
    "Пойдем сегодня в кино?",
    "привет, как дела?",
    "ты где",
    "че делаешь)))",
)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Loss on held-out dialogues, each alone in its context."""

    nats_per_token: float
    bits_per_char: float
    bits_per_char_by_language: dict[str, float]


def build_model(args: argparse.Namespace, tokenizer: PreTrainedTokenizerFast) -> MistralForCausalLM:
    """Build a Mistral with random weights whose residual branches start small."""
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=args.hidden,
        intermediate_size=args.intermediate,
        num_hidden_layers=args.layers,
        num_attention_heads=args.hidden // 64,
        num_key_value_heads=args.kv_heads,
        head_dim=64,
        max_position_embeddings=tokenizer.model_max_length,
        sliding_window=None,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = MistralForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.div_(math.sqrt(2 * args.layers))
            layer.mlp.down_proj.weight.div_(math.sqrt(2 * args.layers))
    return model


def add_dropout(model: MistralForCausalLM, share: float) -> None:
    """Drop a share of the embeddings and of every residual branch while the model is in training mode."""

    def drop(module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return functional.dropout(output, share, training=module.training)

    branches = [part for layer in model.model.layers for part in (layer.self_attn.o_proj, layer.mlp.down_proj)]
    for module in (model.model.embed_tokens, *branches):
        module.register_forward_hook(drop)


def build_optimizers(model: nn.Module, args: argparse.Namespace) -> list[torch.optim.Optimizer]:
    """Give the optimisers: AdamW for everything, or Muon for the matrices inside the layers and AdamW for the rest."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    tables = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" in name]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": tables, "weight_decay": args.table_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if args.optimizer == "muon":
        decay = {"lr": args.matrix_rate, "weight_decay": args.decay}
        optimizers.append(BatchedMuon(matrices, **decay))
    else:
        groups.append({"params": matrices, "weight_decay": args.decay, "lr": args.matrix_rate})
    fused = next(model.parameters()).is_cuda
    optimizers.append(torch.optim.AdamW(groups, lr=args.table_rate, betas=(0.9, 0.95), eps=1e-10, fused=fused))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def scale_rate(progress: float, *, warm_up: float = 0.03, decay_from: float = 0.4) -> float:
    """Give the share of the peak learning rate: a short rise, a plateau, a straight line to zero."""
    return min(1.0, progress / warm_up, (1 - progress) / (1 - decay_from))


def build_rows(tokenizer: PreTrainedTokenizerFast, corpus: Corpus, args: argparse.Namespace) -> list[Tensor]:
    """Tokenise `args.passes` differently augmented passes, on all cores, or read them from the cache file."""
    cache: Path | None = args.cache
    if cache is not None and cache.exists():
        return [torch.from_numpy(rows) for rows in np.load(cache)]
    sources: list[tuple[Sequence[Dialogue], int]] = [(dialogues, 1) for dialogues in corpus.train.values()]
    if args.small_talk is not None:
        sources.append((list(parse_dialogues(args.small_talk.read_text(encoding="utf-8"))), args.small_talk_times))
    mix = Mix(args.shift, args.join, args.casual_user, args.casual_assistant)
    build = partial(build_epoch, tokenizer, sources, mix=mix, row_tokens=args.row_tokens + 1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the passes already take a core each
    with ProcessPoolExecutor() as pool:
        passes = list(pool.map(partial(_build_seeded, build), range(args.passes)))
    rows = min(map(len, passes))
    if cache is not None:
        np.save(cache, np.stack([each[:rows] for each in passes]))
    return [torch.from_numpy(each[:rows]) for each in passes]


def _build_seeded(build: partial[Any], seed: int) -> Any:
    return build(seed=seed)


def iterate_batches(passes: Sequence[Tensor], batch_rows: int, device: torch.device) -> Iterator[Tensor]:
    """Yield shuffled batches of rows without end, one augmented pass after another."""
    on_device = [rows.to(device) for rows in passes]
    for rows in itertools.cycle(on_device):
        order = torch.randperm(len(rows), device=device)
        for start in range(0, len(rows) - batch_rows + 1, batch_rows):
            yield rows[order[start : start + batch_rows]].long()


def measure_loss(model: nn.Module, tokenizer: PreTrainedTokenizerFast, held_out: dict[str, list[Dialogue]]) -> HeldOut:
    """Measure the mean loss of every token after the first, control tokens included, on unaltered dialogues."""
    device = next(model.parameters()).device
    nats: dict[str, float] = {}
    tokens = 0
    model.eval()
    for language, dialogues in held_out.items():
        samples = tokenizer([render_dialogue(each) for each in dialogues], add_special_tokens=False)["input_ids"]
        samples = sorted((sample[: tokenizer.model_max_length] for sample in samples), key=len)
        nats[language] = 0.0
        for batch in _chunk(samples, 64):
            ids = nn.utils.rnn.pad_sequence([torch.tensor(s) for s in batch], batch_first=True, padding_value=IGNORED)
            ids = ids.to(device)
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
                logits = model(input_ids=ids[:, :-1].clamp(min=0), use_cache=False).logits.float()
            loss = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")
            nats[language] += loss.item()
            tokens += sum(len(sample) - 1 for sample in batch)
    chars = {language: sum(len(turn) for d in dialogues for turn in d) for language, dialogues in held_out.items()}
    bits = {language: nats[language] / math.log(2) / chars[language] for language in nats}
    total = sum(nats.values())
    return HeldOut(total / tokens, total / math.log(2) / sum(chars.values()), bits)


def _chunk(samples: list[list[int]], size: int) -> Iterator[list[list[int]]]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def compute_loss(
    model: nn.Module, rows: Tensor, teachers: Sequence[nn.Module], *, blend: float, smoothing: float
) -> Tensor:
    """Compute the next-token loss of rows, blended with the cross entropy to the teachers' mean distribution."""
    logits = model(input_ids=rows[:, :-1], use_cache=False).logits.float().flatten(0, 1)
    loss = functional.cross_entropy(logits, rows[:, 1:].flatten(), label_smoothing=smoothing)
    if not teachers:
        return loss
    with torch.no_grad():
        shares = [t(input_ids=rows[:, :-1], use_cache=False).logits.float().softmax(-1) for t in teachers]
        target = (sum(shares[1:], shares[0]) / len(shares)).flatten(0, 1)
    return (1 - blend) * loss + blend * functional.cross_entropy(logits, target)


def pretrain(
    model: MistralForCausalLM, passes: Sequence[Tensor], args: argparse.Namespace
) -> Iterator[tuple[int, nn.Module]]:
    """Train, and yield (updates made, averaged model) `args.evaluations` times, the last time at the end."""
    device = next(model.parameters()).device
    teachers = [
        AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16).to(device).eval() for path in args.teacher
    ]
    optimizers = build_optimizers(model, args)
    averaged = copy.deepcopy(model)
    pairs = list(averaged.parameters()), list(model.parameters())
    compute = torch.compile(compute_loss) if device.type == "cuda" else compute_loss
    began = 0.0
    due = iter(range(1, args.evaluations + 1))
    next_due = next(due) / args.evaluations
    for step, rows in enumerate(iterate_batches(passes, args.batch_rows, device)):
        if step == 3:
            began = time.monotonic()  # compilation is not part of the time limit
        elapsed_s = time.monotonic() - began if step > 3 else 0.0
        progress = max(step / args.steps, elapsed_s / args.max_seconds)
        if progress >= next_due:
            yield step, averaged
            if progress >= 1:
                return
            next_due = next(due, args.evaluations) / args.evaluations
        model.train()
        with torch.autocast(device.type, torch.bfloat16):
            loss = compute(model, rows, teachers, blend=args.blend, smoothing=args.smoothing)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * scale_rate(progress)
            optimizer.step()
        model.zero_grad(set_to_none=True)
        with torch.no_grad():  # early on, the average follows quickly
            torch._foreach_lerp_(*pairs, max(1 - args.average, 1 / (step + 1)))


def pack_model(model: nn.Module) -> bytes:
    """Pack the parameters of a model with tied embeddings."""
    return pack_weights({name: p.detach().float().cpu().numpy() for name, p in model.named_parameters()})


def load_packed(model: nn.Module, packed: bytes) -> None:
    """Set a model's parameters to what packed weights hold."""
    weights = {name: torch.from_numpy(weight) for name, weight in unpack_weights(packed).items()}
    model.load_state_dict(weights | {"lm_head.weight": weights["model.embed_tokens.weight"]})


def sample_replies(model: Any, tokenizer: PreTrainedTokenizerFast) -> Iterator[str]:
    """Yield each sample prompt with a greedy reply and two sampled ones."""
    for prompt in SAMPLE_PROMPTS:
        text = render_dialogue((prompt,))
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"].to(model.device)
        greedy = model.generate(ids, max_new_tokens=48, do_sample=False)
        drawn = model.generate(
            ids, max_new_tokens=48, do_sample=True, temperature=0.8, top_p=0.9, num_return_sequences=2
        )
        replies = [tokenizer.decode(out[ids.shape[1] :], skip_special_tokens=True).strip() for out in [*greedy, *drawn]]
        yield f"{prompt!r} -> {replies}"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("corpus", "tokenizer", "start", "out", "cache", "small-talk", "save"):
        parser.add_argument(f"--{name}", type=Path, required=name in ("corpus", "tokenizer"))
    parser.add_argument("--teacher", type=Path, action="append", default=[])
    parser.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    parser.add_argument("--sample", action="store_true", help="print replies to a few prompts at the end")
    numbers: dict[str, int | float] = {
        "hidden": 384, "intermediate": 1024, "layers": 8, "kv-heads": 2, "row-tokens": 1024, "batch-rows": 64,
        "passes": 16, "steps": 1500, "max-seconds": 1e9, "evaluations": 6, "seed": 0, "small-talk-times": 10,
        "dropout": 0.1, "decay": 0.1, "table-decay": 0.1, "matrix-rate": 3e-3, "table-rate": 3e-3, "average": 0.99,
        "smoothing": 0.0, "blend": 0.5, "shift": 0.5, "join": 0.25, "casual-user": 0.5, "casual-assistant": 0.12,
    }  # fmt: skip
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def main() -> None:
    """Pretrain, keep the evaluation with the lowest held-out loss, pack it and print a summary line of JSON.

    Without --out and --save it only fills the cache of token rows.
    """
    args = parse_arguments()
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
    corpus = read_corpus(args.corpus)
    passes = build_rows(tokenizer, corpus, args)
    if args.out is None and args.save is None:
        return
    model = build_model(args, tokenizer).to(device)
    if args.start is not None:
        load_packed(model, args.start.read_bytes())
    add_dropout(model, args.dropout)
    best, packed, curve, began = math.inf, b"", [], time.monotonic()
    for step, averaged in pretrain(model, passes, args):
        held_out = measure_loss(averaged, tokenizer, corpus.held_out)
        curve.append((step, round(held_out.nats_per_token, 4), round(held_out.bits_per_char, 4)))
        print(f"[{args.out}] {step} {time.monotonic() - began:.0f} s {held_out}", flush=True)
        if held_out.nats_per_token < best:
            best, packed = held_out.nats_per_token, pack_model(averaged)
            if args.out is not None:
                args.out.write_bytes(packed)
    load_packed(model, packed)
    final = measure_loss(model, tokenizer, corpus.held_out)
    if args.sample:
        print(*sample_replies(model.eval(), tokenizer), sep="\n")
    if args.save is not None:
        model.save_pretrained(args.save)
    parameters = sum(p.numel() for p in model.parameters())
    summary = {"out": str(args.out), "parameters": parameters, "packed_bytes": len(packed), "curve": curve}
    print(json.dumps(summary | {"packed_nats": final.nats_per_token, "packed_bits_per_char": final.bits_per_char}))


if __name__ == "__main__":
    main()
