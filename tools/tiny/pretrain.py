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
from tools.tiny.optimizer import build_optimizers, scale_rate
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
    """Loss on held-out dialogues, each in a context of its own.

    Args:
        nats_per_token: Over all languages.
        bits_per_char: Over all languages.
        bits_per_char_by_language: Bits per character of each language.
    """

    nats_per_token: float
    bits_per_char: float
    bits_per_char_by_language: dict[str, float]


def build_model(args: argparse.Namespace, tokenizer: PreTrainedTokenizerFast) -> MistralForCausalLM:
    """Build a Mistral with random weights whose residual branches start small.

    Args:
        args: Shape of the model, from the command line.
        tokenizer: Gives the vocabulary, the special tokens and the number of positions.
    """
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
    """Add dropout to the embeddings and to every residual branch, in training mode only.

    Args:
        model: The model; hooks are added in place.
        share: Probability of an element to be dropped, 0 to below 1.
    """

    def drop(module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return functional.dropout(output, share, training=module.training)

    branches = [part for layer in model.model.layers for part in (layer.self_attn.o_proj, layer.mlp.down_proj)]
    for module in (model.model.embed_tokens, *branches):
        module.register_forward_hook(drop)


def build_passes(tokenizer: PreTrainedTokenizerFast, corpus: Corpus, args: argparse.Namespace) -> list[Tensor]:
    """Tokenise differently augmented passes over the corpus, on all cores, or read them from the cache file.

    Args:
        tokenizer: Tokenizer of the model.
        corpus: The dialogues.
        args: Number of passes, length of a sequence and cache file, from the command line.

    Returns:
        Token ids of each pass; shape (sequences, args.sequence_tokens + 1), int16.
    """
    cache: Path | None = args.cache
    if cache is not None and cache.exists():
        return [torch.from_numpy(sequences) for sequences in np.load(cache)]
    sources: list[tuple[Sequence[Dialogue], int]] = [(dialogues, 1) for dialogues in corpus.train.values()]
    if args.small_talk is not None:
        sources.append((list(parse_dialogues(args.small_talk.read_text(encoding="utf-8"))), args.small_talk_times))
    mix = Mix(args.shift, args.join, args.casual_user, args.casual_assistant)
    build = partial(build_epoch, tokenizer, sources, mix=mix, sequence_tokens=args.sequence_tokens + 1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the passes already take a core each
    with ProcessPoolExecutor() as pool:
        passes = list(pool.map(partial(_build_seeded, build), range(args.passes)))
    count = min(map(len, passes))
    if cache is not None:
        np.save(cache, np.stack([each[:count] for each in passes]))
    return [torch.from_numpy(each[:count]) for each in passes]


def _build_seeded(build: partial[Any], seed: int) -> Any:
    return build(seed=seed)


def iterate_batches(passes: Sequence[Tensor], batch_sequences: int, device: torch.device) -> Iterator[Tensor]:
    """Yield shuffled batches endlessly, one augmented pass after another.

    Args:
        passes: Token ids of each pass; shape (sequences, tokens).
        batch_sequences: Sequences in a batch.
        device: Device of the batches.

    Yields:
        Token ids; shape (batch_sequences, tokens), int64.
    """
    on_device = [each.to(device) for each in passes]
    for sequences in itertools.cycle(on_device):
        order = torch.randperm(len(sequences), device=device)
        for start in range(0, len(sequences) - batch_sequences + 1, batch_sequences):
            yield sequences[order[start : start + batch_sequences]].long()


def measure_loss(model: nn.Module, tokenizer: PreTrainedTokenizerFast, held_out: dict[str, list[Dialogue]]) -> HeldOut:
    """Measure the mean loss of every token after the first, control tokens included, on unaltered dialogues.

    Args:
        model: The model; left in evaluation mode.
        tokenizer: Tokenizer of the model.
        held_out: Dialogues by language.
    """
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
    model: nn.Module, ids: Tensor, teachers: Sequence[nn.Module], *, blend: float, smoothing: float
) -> Tensor:
    """Compute the next-token loss, blended with the cross-entropy to the teachers' mean distribution.

    Args:
        model: The student.
        ids: Token ids; shape (sequences, tokens).
        teachers: Models whose distribution is imitated; none leaves the plain loss.
        blend: Share of the teachers' part, 0 to 1.
        smoothing: Label smoothing of the plain loss.

    Returns:
        A scalar, nats per token.
    """
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits.float().flatten(0, 1)
    loss = functional.cross_entropy(logits, ids[:, 1:].flatten(), label_smoothing=smoothing)
    if not teachers:
        return loss
    with torch.no_grad():
        shares = [t(input_ids=ids[:, :-1], use_cache=False).logits.float().softmax(-1) for t in teachers]
        target = (sum(shares[1:], shares[0]) / len(shares)).flatten(0, 1)
    return (1 - blend) * loss + blend * functional.cross_entropy(logits, target)


def pretrain(
    model: MistralForCausalLM, passes: Sequence[Tensor], args: argparse.Namespace
) -> Iterator[tuple[int, nn.Module]]:
    """Train a model, and pause for each evaluation.

    Args:
        model: The model to train, in place.
        passes: Token ids of each augmented pass.
        args: Optimiser, limits of steps and time, teachers, number of evaluations, from the command line.

    Yields:
        Updates done and the averaged model, `args.evaluations` times, the last time at the end.
    """
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
    for step, ids in enumerate(iterate_batches(passes, args.batch_sequences, device)):
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
            loss = compute(model, ids, teachers, blend=args.blend, smoothing=args.smoothing)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * scale_rate(progress)
            optimizer.step()
        model.zero_grad(set_to_none=True)
        with torch.no_grad():  # early on, the average follows the model quickly
            torch._foreach_lerp_(*pairs, max(1 - args.average, 1 / (step + 1)))


def pack_model(model: nn.Module) -> bytes:
    """Pack the parameters of a model with tied embeddings into the bytes of an int8 file."""
    return pack_weights({name: p.detach().float().cpu().numpy() for name, p in model.named_parameters()})


def load_packed(model: nn.Module, packed: bytes) -> None:
    """Load packed weights into a model with tied embeddings."""
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
        "hidden": 384, "intermediate": 1024, "layers": 8, "kv-heads": 2, "sequence-tokens": 1024, "batch-sequences": 64,
        "passes": 16, "steps": 1500, "max-seconds": 1e9, "evaluations": 6, "seed": 0, "small-talk-times": 10,
        "dropout": 0.1, "decay": 0.1, "table-decay": 0.1, "matrix-rate": 3e-3, "table-rate": 3e-3, "average": 0.99,
        "smoothing": 0.0, "blend": 0.5, "shift": 0.5, "join": 0.25, "casual-user": 0.5, "casual-assistant": 0.12,
    }  # fmt: skip
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def main() -> None:
    """Pretrain, keep the evaluation with the lowest held-out loss, pack it and print a summary line of JSON.

    Without --out and --save it only fills the cache of tokenised passes.
    """
    args = parse_arguments()
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
    corpus = read_corpus(args.corpus)
    passes = build_passes(tokenizer, corpus, args)
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
