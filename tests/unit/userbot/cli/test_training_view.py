"""A run on the screen: a line for what matters, figures beside the bar, and nothing that could be taken for markup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scripted_training import ScriptedHome

from training.events import (
    Answered,
    CheckpointSaved,
    DataCounted,
    Evaluated,
    EvaluationName,
    Event,
    Finished,
    Judged,
    Note,
    Stepped,
)
from userbot.cli.screen import console
from userbot.cli.training_view import (
    GIB,
    TrainingView,
    describe_data,
    describe_evaluation,
    describe_step,
    run_comparison,
    run_training,
)
from userbot.retraining.process import Ended, TrainingFailedError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedHome:
    monkeypatch.setattr(console, "_width", 200)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    return ScriptedHome(tmp_path)


@pytest.mark.parametrize(
    ("event", "figures"),
    [
        (Stepped(step=1, loss=2.5), "loss 2.500 nats/token"),
        (
            Stepped(step=1, loss=2.5, tokens_per_s=1234.5, memory_bytes=3 * GIB // 2),
            "loss 2.500 nats/token  1,234 tok/s  1.5 GiB",
        ),
    ],
)
def test_figures_beside_the_bar_are_those_that_are_known(event: Stepped, figures: str) -> None:
    assert describe_step(event) == figures


def test_the_data_is_counted_in_a_line() -> None:
    event = DataCounted(samples=9, turns=1400, tokens=70_000, supervised_tokens=30_000, held_out_turns=4)

    assert describe_data(event) == (
        "samples: 9  turns: 1,400  tokens: 70,000  supervised tokens: 30,000  held-out turns: 4"
    )
    assert describe_data(replace(event, masked={"phone": 2, "birth_date": 1})).endswith(
        "  masked: phone 2, birth date 1"
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (EvaluationName.BEFORE, "held-out loss, bare base: [b]3.500[/] nats per token, 2.000 bits per character"),
        (EvaluationName.DURING, "held-out loss, now: [b]3.500[/] nats per token, 2.000 bits per character"),
    ],
)
def test_an_evaluation_is_named(name: EvaluationName, line: str) -> None:
    assert describe_evaluation(Evaluated(name=name, step=0, loss=3.5, bits_per_char=2.0)) == line


def test_bits_are_left_out_where_they_are_not_known() -> None:
    event = Evaluated(name=EvaluationName.AFTER, step=0, loss=3.5)

    assert describe_evaluation(event) == "held-out loss, new adapter: [b]3.500[/] nats per token"


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Note("a [red]note[/]"), "a [red]note[/]\n"),
        (Stepped(step=3, total=10, loss=2.5), "3/10 loss 2.500 nats/token"),
        (Answered(answered=3, prompts=128), "answering"),
        (CheckpointSaved(step=1), ""),
    ],
)
def test_each_event_is_shown_in_its_way(event: Event, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingView() as view:
        view.show(event)

    assert shown in capsys.readouterr().out


def test_training_is_shown_and_its_result_returned(home: ScriptedHome, capsys: pytest.CaptureFixture[str]) -> None:
    home.program("say_arguments(); print('[a library]'); say(event='done', adapter_id='a1', worse=True); sys.exit(4)")

    ended = run_training(home.path, "--set=epochs=1")

    assert ended == Ended(code=4, finished=Finished(adapter_id="a1", worse=True))
    shown = capsys.readouterr().out
    assert f'["__main__.py", "--home", "{home.path}", "--set=epochs=1"]' in shown.replace("\n", "")
    assert "[a library]" in shown


def test_a_comparison_is_shown_and_its_verdict_returned(home: ScriptedHome) -> None:
    home.program("sys.exit(9)", comparison="say(event='verdict', passed=True, summary='Passed.')")

    assert run_comparison(home.path, "new", None).judged == Judged(passed=True, summary="Passed.")


def test_a_training_that_fails_raises_its_last_words(home: ScriptedHome) -> None:
    home.program("say(event='error', text='5 turns', exit_code=3); sys.exit(3)")

    with pytest.raises(TrainingFailedError, match=r"^5 turns$"):
        run_training(home.path)
