"""A new adapter at the gate: it and the one in service answer the same held-out contexts, and the gate judges.

In a process of its own: `python -m training.judging.compare --home FOLDER --candidate ID [--current ID]`. Events go to
stdout as JSON lines: `Answered`, `Judged`, `Failed` of `training.events`.
Exit codes: 0 it passed, 4 it is worse than the one in service, 2 bad configuration, 1 anything else.
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
from training.judging.likeness import Bubbles, measure_likeness
from training.judging.record import save_comparison, write_report
from training.loop.evaluate import Score, evaluate
from training.model.base import load_tokenizer, resolve_base
from training.progress import JsonLines, Progress
from training.serving.clone_model import CloneModel
from userbot.config.home import HomePaths
from userbot.domain.errors import CloneError, ExitCode, TooLittleDataError
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest


@dataclass(frozen=True, slots=True)
class EvalPrompt:
    """A held-out context and the owner's real answer to it."""

    turns: tuple[Turn, ...]
    system: str | None
    owner: Bubbles


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSet:
    """What both adapters are put to.

    Args:
        held_out: Samples that neither has learned.
        questions: Contexts of theirs, to be answered.
        learned: Owner turns of the training data, to find copies.
        margins: How much worse the candidate may be.
    """

    held_out: tuple[Sample, ...]
    questions: tuple[EvalPrompt, ...]
    supervised: tuple[Bubbles, ...]
    margins: GateConfig


def compare_adapters(
    store: Store, paths: HomePaths, *, candidate: str, current: str | None, progress: Progress
) -> Verdict:
    """Compare two adapters, and write the report; nothing is promoted.

    Args:
        store: Where the held-out conversations are.
        paths: Of the home folder.
        candidate: The new adapter.
        current: The one in service; None, or one on another base, compares with the bare base.
        progress: Who is told.

    Raises:
        NoAdapterError: There is none of that id.
        AdapterDamagedError: Its files are damaged.
        TooLittleDataError: No held-out conversation is left.
    """
    shelf = AdapterShelf(paths.adapters)
    new = shelf.verify(candidate)
    old = shelf.verify(current) if current is not None else None
    if old is not None and old.base != new.base:
        old = None
    exam = make_eval_set(store, new, old, models=paths.models)
    config = TrainConfig.model_validate(new.config)
    model = CloneModel.load(
        new.base, models_dir=paths.models, load_in_4bit=config.load_in_4bit, compute_dtype=config.compute_dtype
    )
    figures: list[Figures] = []
    replies: list[list[Bubbles]] = []
    for manifest in (new, old):
        model.activate(shelf.path(manifest.id) if manifest else None)
        score = score_samples(model, exam.held_out, manifest)
        told = len(figures) * len(exam.questions)
        replies.append(answer_prompts(model, exam, progress=progress, told=told))
        likeness = measure_likeness(replies[-1], [one.owner for one in exam.questions], supervised=exam.supervised)
        name = manifest.id if manifest else None
        figures.append(Figures(adapter_id=name, loss=score.loss, bits_per_char=score.bits_per_char, likeness=likeness))
    verdict = judge(figures[0], figures[1], exam.margins, owner=_measure_owner(exam))
    save_comparison(paths.report(candidate), verdict, list_exchanges(exam, *replies))
    return verdict


def make_eval_set(store: Store, new: Manifest, old: Manifest | None, *, models: Path) -> EvalSet:
    """Choose the held-out conversations and questions, by the rules that the candidate was trained under.

    What either adapter has learned is no question: the newest conversations of a store that has grown since may not be
    those that were held out then.

    Raises:
        TooLittleDataError: Nothing is left.
    """
    config = TrainConfig.model_validate(new.config)
    tokenizer = load_tokenizer(resolve_base(new.base, models_dir=models))
    renderer = Renderer(tokenizer, new.text_format)  # type: ignore[arg-type]  # a manifest's text
    found = build(store, config.data, count_tokens=renderer.count, seed=config.seed)
    known = [list_known(manifest.data) for manifest in (new, old) if manifest]
    unseen = tuple(sample for sample in found.held_out if all(is_unseen(sample, ranges) for ranges in known))
    questions = list_prompts(unseen, limit=config.gate.prompts)
    if not questions:
        raise TooLittleDataError(
            f"No held-out conversation is left that {new.id} and the adapter in service have not learned. Raise "
            f"data.held_out, or train afresh: clone train"
        )
    return EvalSet(held_out=unseen, questions=questions, supervised=list_supervised(found), margins=config.gate)


def list_prompts(samples: Sequence[Sample], *, limit: int) -> tuple[EvalPrompt, ...]:
    """Return contexts that end with a peer's turn, with the owner's answers; not more than `limit`, spread over all."""
    found = [
        EvalPrompt(sample.turns[:index], sample.system, turn.bubbles)
        for sample in samples
        for index, (turn, supervised) in enumerate(zip(sample.turns, sample.supervised, strict=True))
        if supervised and index and not sample.turns[index - 1].mine
    ]
    if len(found) > limit:
        found = [found[index * len(found) // limit] for index in range(limit)]
    return tuple(found)


def list_supervised(found: DataSet) -> tuple[Bubbles, ...]:
    """Return the owner turns that are learned."""
    return tuple(
        turn.bubbles
        for sample in found.train
        for turn, supervised in zip(sample.turns, sample.supervised, strict=True)
        if supervised
    )


def score_samples(model: CloneModel, samples: Sequence[Sample], manifest: Manifest | None) -> Score:
    """Return what the held-out samples cost the adapter that is in use, rendered as it was trained."""
    text_format: Any = manifest.text_format if manifest else model.text_format
    tokens: Tokens = encode(samples, Renderer(model.tokenizer, text_format), model.tokenizer)
    with model.reading() as lm:
        # One sample a row needs no kernel for packed rows, and a trial is short.
        return evaluate(lm, tokens, max_pack_tokens=int(tokens.lengths.max()), packed=False).total


def answer_prompts(model: CloneModel, exam: EvalSet, *, progress: Progress, told: int) -> list[Bubbles]:
    """Answer all questions, each with its own fixed seed.

    Args:
        model: With the adapter in use.
        exam: The questions.
        progress: Told of each answer.
        told: Answers told of before.
    """
    replies = []
    for index, question in enumerate(exam.questions):
        sampling = Sampling(seed=exam.margins.seed + index, max_new_tokens=exam.margins.max_new_tokens)
        replies.append(model.reply(question.turns, system=question.system, sampling=sampling).bubbles)
        progress.report(Answered(answered=told + index + 1, prompts=2 * len(exam.questions)))
    return replies


def list_exchanges(exam: EvalSet, new: Sequence[Bubbles], old: Sequence[Bubbles]) -> list[Exchange]:
    """Put questions and answers together."""
    return [
        Exchange(
            context=tuple((turn.mine, turn.bubbles) for turn in question.turns),
            owner=question.owner,
            candidate=candidate,
            current=current,
        )
        for question, candidate, current in zip(exam.questions, new, old, strict=True)
    ]


def _measure_owner(exam: EvalSet) -> Any:
    count = len(exam.questions)
    if len(exam.supervised) < count:
        return None
    older = [exam.supervised[index * len(exam.supervised) // count] for index in range(count)]
    return measure_likeness(older, [one.owner for one in exam.questions])


def main(arguments: Sequence[str] | None = None) -> int:
    """Hold a trial and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.judging.compare", description="Compare two adapters.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the database and the adapters")
    parser.add_argument("--candidate", required=True, metavar="ID", help="the new adapter")
    parser.add_argument("--current", metavar="ID", help="the adapter in service; without it, the bare base")
    given = parser.parse_args(arguments)
    progress = JsonLines(sys.stdout)
    try:
        paths = HomePaths(given.home)
        with Store.open(paths.database) as store:
            verdict = compare_adapters(
                store, paths, candidate=given.candidate, current=given.current, progress=progress
            )
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
