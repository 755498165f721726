"""A comparison: the new adapter and the active one answer the same held-out prompts, and the gate judges.

In a process of its own: `python -m training.judging.compare --home FOLDER --candidate ID [--current ID]`. Events go to
stdout as JSON lines: `Answered`, `Judged`, `Failed` of `training.events`.
Exit codes: 0 it passed, 4 it is worse than the active adapter, 2 bad configuration, 1 anything else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.config import GateConfig, TrainConfig
from training.data.dataset import build
from training.data.prepare import encode
from training.data.render import Renderer
from training.data.replay import is_unseen, list_known
from training.data.samples import DataSet, Sample
from training.data.tokens import Tokens
from training.events import Answered, Failed, Judged
from training.judging.gate import Exchange, Figures, Verdict, judge
from training.judging.likeness import Bubbles, Likeness, measure_likeness
from training.judging.record import save_comparison, write_report
from training.loop.evaluate import Score, evaluate
from training.model.base import load_tokenizer, resolve_base
from training.progress import JsonLines, Progress
from training.serving.clone_model import CloneModel, EngineLimits, ReplyPrompt
from userbot.config.home import HomePaths
from userbot.config.privacy import protect_home
from userbot.config.process import harden_process
from userbot.domain.errors import CloneError, ExitCode, TooLittleDataError
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.trust.stale_adapters import refuse_stale


@dataclass(frozen=True, slots=True)
class EvalPrompt:
    """A held-out context and the owner's real answer to it.

    Args:
        turns: The context, oldest first; it ends with a contact turn.
        system: One line that says who the contact is; None where nothing is known.
        owner: The owner's answer.
    """

    turns: tuple[Turn, ...]
    system: str | None
    owner: Bubbles


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSet:
    """What both adapters are evaluated on.

    Args:
        held_out: Samples that neither adapter was trained on.
        prompts: Contexts of these samples, to be answered.
        supervised: Owner turns of the training data, to find copies.
        margins: How much worse the candidate may be.
    """

    held_out: tuple[Sample, ...]
    prompts: tuple[EvalPrompt, ...]
    supervised: tuple[Bubbles, ...]
    margins: GateConfig


def compare_adapters(
    store: Store, paths: HomePaths, *, candidate: str, active: str | None, progress: Progress
) -> Verdict:
    """Compare two adapters and keep the result; nothing is activated.

    Args:
        store: Source of the held-out conversations.
        paths: Paths of the home folder.
        candidate: Id of the new adapter.
        active: Id of the active adapter; None, one of another base, or a stale one compares with the bare base.
        progress: Receives an event for each answer.

    Returns:
        The gate's verdict.

    Raises:
        NoAdapterError: There is no adapter of that id.
        StaleAdapterError: The new adapter learned from a chat without a consent that stands.
        AdapterDamagedError: Its files are damaged.
        TooLittleDataError: No held-out conversation is left.
    """
    shelf = AdapterShelf(paths.adapters)
    new = shelf.verify(candidate)
    old = shelf.verify(active) if active is not None else None
    refuse_stale(store, new)
    if old is not None and (old.base != new.base or store.consents.find_withdrawn(old.data)):
        old = None
    eval_set = make_eval_set(store, new, old, models=paths.models)
    config = TrainConfig.model_validate(new.config)
    longest = config.gate.max_new_tokens
    model = CloneModel.load(
        new.base,
        models_dir=paths.models,
        load_in_4bit=config.load_in_4bit,
        compute_dtype=config.compute_dtype,
        limits=EngineLimits(capacity=Sampling().max_prompt_tokens + longest, max_new_tokens=longest),
    )
    figures: list[Figures] = []
    replies: list[list[Bubbles]] = []
    for manifest in (new, old):
        model.activate(shelf.path(manifest.id) if manifest else None)
        score = score_samples(model, eval_set.held_out, manifest)
        answered = sum(map(len, replies))
        replies.append(answer_prompts(model, eval_set, progress=progress, answered=answered))
        real = [prompt.owner for prompt in eval_set.prompts]
        likeness = measure_likeness(replies[-1], real, supervised=eval_set.supervised)
        name = manifest.id if manifest else None
        figures.append(Figures(adapter_id=name, loss=score.loss, bits_per_char=score.bits_per_char, likeness=likeness))
    verdict = judge(figures[0], figures[1], eval_set.margins, owner=_measure_owner(eval_set))
    chats = {sample.chat_id for sample in eval_set.held_out}
    save_comparison(paths.report(candidate), verdict, list_exchanges(eval_set, *replies), chats=chats)
    return verdict


def make_eval_set(store: Store, new: Manifest, old: Manifest | None, *, models: Path) -> EvalSet:
    """Choose the held-out conversations and prompts, by the rules that the candidate was trained under.

    What either adapter was trained on makes no prompt: in a store that has grown since, the newest conversations need
    not be those that were held out then.

    Args:
        store: Source of the conversations.
        new: Manifest of the candidate.
        old: Manifest of the active adapter; None compares with the bare base.
        models: Folder that the embedded base is unpacked to.

    Returns:
        The evaluation set, with at least one prompt.

    Raises:
        TooLittleDataError: Nothing is left.
    """
    config = TrainConfig.model_validate(new.config)
    tokenizer = load_tokenizer(resolve_base(new.base, models_dir=models))
    renderer = Renderer(tokenizer, new.text_format)  # type: ignore[arg-type]  # a manifest's text
    data_set = build(store, config.data, count_tokens=renderer.count, seed=config.seed)
    known = [list_known(manifest.data) for manifest in (new, old) if manifest]
    unseen = tuple(sample for sample in data_set.held_out if all(is_unseen(sample, ranges) for ranges in known))
    prompts = list_prompts(unseen, limit=config.gate.prompts)
    if not prompts:
        raise TooLittleDataError(
            f"No held-out conversation is left that neither {new.id} nor the active adapter was trained on. Raise "
            f"data.held_out, or train afresh: clone train"
        )
    return EvalSet(held_out=unseen, prompts=prompts, supervised=list_supervised(data_set), margins=config.gate)


def list_prompts(samples: Sequence[Sample], *, limit: int) -> tuple[EvalPrompt, ...]:
    """Return the contexts that end with a contact turn and have a supervised answer.

    Args:
        samples: Held-out samples.
        limit: Most prompts to return; where there are more, they are chosen evenly over all.
    """
    prompts = [
        EvalPrompt(sample.turns[:index], sample.system, turn.bubbles)
        for sample in samples
        for index, (turn, supervised) in enumerate(zip(sample.turns, sample.supervised, strict=True))
        if supervised and index and not sample.turns[index - 1].mine
    ]
    if len(prompts) > limit:
        prompts = [prompts[index * len(prompts) // limit] for index in range(limit)]
    return tuple(prompts)


def list_supervised(data_set: DataSet) -> tuple[Bubbles, ...]:
    """Return the supervised owner turns of the training samples."""
    return tuple(
        turn.bubbles
        for sample in data_set.train
        for turn, supervised in zip(sample.turns, sample.supervised, strict=True)
        if supervised
    )


def score_samples(model: CloneModel, samples: Sequence[Sample], manifest: Manifest | None) -> Score:
    """Measure the loss of the active adapter on samples, rendered as it was trained.

    Args:
        model: The model with the adapter activated.
        samples: Held-out samples.
        manifest: Manifest of the adapter, for its text format; None for the bare base.

    Returns:
        The score over all samples.
    """
    text_format: Any = manifest.text_format if manifest else model.text_format
    tokens: Tokens = encode(samples, Renderer(model.tokenizer, text_format), model.tokenizer)
    with model.causal_lm() as lm:
        # Unpacked samples need no kernel for packed sequences, and few samples gain little from packing.
        return evaluate(lm, tokens, max_pack_tokens=int(tokens.lengths.max()), packed=False).total


def answer_prompts(model: CloneModel, eval_set: EvalSet, *, progress: Progress, answered: int) -> list[Bubbles]:
    """Answer all prompts, each with a fixed seed of its own.

    Args:
        model: The model with the adapter activated.
        eval_set: The prompts.
        progress: Receives an event for each answer.
        answered: Number of answers reported before, by the other adapter.

    Returns:
        One reply per prompt, in order.
    """
    prompts = [
        ReplyPrompt(
            turns=prompt.turns,
            system=prompt.system,
            sampling=Sampling(seed=eval_set.margins.seed + index, max_new_tokens=eval_set.margins.max_new_tokens),
        )
        for index, prompt in enumerate(eval_set.prompts)
    ]

    def report(count: int) -> None:
        progress.report(Answered(answered=answered + count, prompts=2 * len(eval_set.prompts)))

    return [reply.bubbles for reply in model.reply_all(prompts, on_reply=report)]


def list_exchanges(eval_set: EvalSet, new: Sequence[Bubbles], old: Sequence[Bubbles]) -> list[Exchange]:
    """Join prompts and answers.

    Args:
        eval_set: The prompts.
        new: The candidate's answers, in their order.
        old: The active adapter's answers, in their order.
    """
    return [
        Exchange(
            context=tuple((turn.mine, turn.bubbles) for turn in prompt.turns),
            owner=prompt.owner,
            candidate=candidate,
            active=active,
        )
        for prompt, candidate, active in zip(eval_set.prompts, new, old, strict=True)
    ]


def _measure_owner(eval_set: EvalSet) -> Likeness | None:
    count = len(eval_set.prompts)
    if len(eval_set.supervised) < count:
        return None
    older = [eval_set.supervised[index * len(eval_set.supervised) // count] for index in range(count)]
    return measure_likeness(older, [prompt.owner for prompt in eval_set.prompts])


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two adapters and return the exit code.

    Args:
        arguments: Command line without the program; None takes that of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m training.judging.compare", description="Compare two adapters.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the database and the adapters")
    parser.add_argument("--candidate", required=True, metavar="ID", help="the new adapter")
    parser.add_argument("--current", metavar="ID", help="the active adapter; without it, the bare base")
    harden_process()
    given = parser.parse_args(arguments)
    progress = JsonLines(sys.stdout)
    try:
        protect_home(given.home)
        paths = HomePaths(given.home)
        with Store.open(paths.database) as store:
            verdict = compare_adapters(store, paths, candidate=given.candidate, active=given.current, progress=progress)
            report = write_report(store, paths, given.candidate)
    except CloneError as exc:
        progress.report(Failed(text=str(exc), exit_code=exc.exit_code))
        return exc.exit_code
    progress.report(
        Judged(
            passed=verdict.passed,
            summary=verdict.summary,
            report=str(report),
            picture=str(paths.report(given.candidate).summary),
        )
    )
    return ExitCode.DONE if verdict.passed else ExitCode.WORSE


if __name__ == "__main__":
    sys.exit(main())
