"""`clone login`, `init`, `pull` and `logout` against the loopback Telegram, with a scripted person at the keyboard."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from userbot.cli import main
from userbot.domain.errors import ExitCode
from userbot.domain.messages import Mode
from userbot.loopback.thread import LoopbackThread
from userbot.store import Store

PHONE = "+10000000001"


class Person:
    """Answers prompts by the words in them; each answer is used once, the last one for good."""

    def __init__(self, **answers: list[str]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def prompt(self, text: str, **options: Any) -> str:
        self.asked.append(text)
        for word, answers in self._answers.items():
            if word in text.lower():
                return answers.pop(0) if len(answers) > 1 else answers[0]
        return str(options.get("default", ""))

    def confirm(self, text: str, **options: Any) -> bool:
        self.asked.append(text)
        return "yes" in self._answers.get(text.split()[0].lower(), ["no"])


@pytest.fixture
def telegram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackThread]:
    monkeypatch.chdir(tmp_path)
    with LoopbackThread() as thread:
        endpoint = tmp_path / "loopback.json"
        endpoint.write_text(thread.server.endpoint.to_json(), "utf-8")
        monkeypatch.setenv("CLONE_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("CLONE_TELEGRAM__ENDPOINT_FILE", str(endpoint))
        yield thread


def _run(monkeypatch: pytest.MonkeyPatch, person: Person, *arguments: str) -> int:
    monkeypatch.setattr("typer.prompt", person.prompt)
    monkeypatch.setattr("typer.confirm", person.confirm)
    monkeypatch.setattr(sys, "argv", ["clone", *arguments])
    try:
        main()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    return 0


def _owner(telegram: LoopbackThread, password: str | None = None) -> str:
    telegram.look(lambda: telegram.server.add_user("Olga", phone=PHONE, password=password))
    return telegram.look(lambda: telegram.server.login_code)


@pytest.fixture
def api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLONE_TELEGRAM__API_ID", "1")
    monkeypatch.setenv("CLONE_TELEGRAM__API_HASH", "0123456789abcdef")


def test_login_with_code_and_password_leaves_a_private_session(
    telegram: LoopbackThread,
    api_key: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = _owner(telegram, password="open sesame")
    person = Person(phone=[PHONE], code=["00000", code], password=["wrong", "open sesame"])
    assert _run(monkeypatch, person, "login") == 0
    captured = capsys.readouterr()
    assert "Logged in as Olga" in captured.out
    assert "The code was wrong. Try again." in captured.err and "The password was wrong. Try again." in captured.err
    for path in (tmp_path / "home").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert _run(monkeypatch, Person(), "login") == 0, "a second login asks nothing"
    assert _run(monkeypatch, Person(), "logout") == 0
    assert not (tmp_path / "home" / "telegram.session").exists()


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({"code": ["00000"]}, "The code was wrong 3 times"),
        ({"password": ["wrong"]}, "The two-step password was wrong 3 times"),
    ],
)
def test_wrong_answers_end_with_a_clear_error(
    telegram: LoopbackThread,
    api_key: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: dict[str, list[str]],
    text: str,
) -> None:
    code = _owner(telegram, password="open sesame")
    person = Person(**{"phone": [PHONE], "code": [code], "password": ["open sesame"], **answers})
    assert _run(monkeypatch, person, "login") == ExitCode.NEEDS_LOGIN
    assert text in capsys.readouterr().err


def test_init_writes_private_settings_logs_in_and_takes_the_chosen_chats(
    telegram: LoopbackThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = _owner(telegram)
    server = telegram.server

    def befriend() -> None:
        [owner] = server.world.users.values()
        for name in ("Vera", "Gleb"):
            telegram_friend = server.add_user(name)
            server.befriend(owner, telegram_friend)

    telegram.look(befriend)
    owner, vera, gleb = telegram.look(lambda: list(server.world.users.values()))
    telegram.run(server.send(gleb, owner, "hello"))
    telegram.run(server.send(vera, owner, "hi"))
    keys = {"api_id": ["no", "12345"], "api_hash": ["0123456789abcdef"]}
    person = Person(**keys, phone=[PHONE], code=[code], quiet=["22:30-07:00"], numbers=["1"], have=["yes"])
    assert _run(monkeypatch, person, "init") == 0
    out = capsys.readouterr().out
    assert "That is no api_id" in out and f"Vera (id {vera.user_id}, last message " in out and "): drafts" in out
    env = tmp_path / "home" / ".env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert env.read_text("utf-8").splitlines() == [
        "CLONE_TELEGRAM__API_ID=12345",
        "CLONE_TELEGRAM__API_HASH=0123456789abcdef",
        "CLONE_REPLY__QUIET_HOURS=22:30-07:00",
    ]
    with Store.open(tmp_path / "home" / "clone.db") as store:
        assert [(chat.title, chat.mode) for chat in store.chats.all()] == [("Vera", Mode.DRAFT)]


def test_init_without_agreement_sets_up_nothing(
    telegram: LoopbackThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, Person(), "init") == 2
    assert "Nothing was set up" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_pull_fetches_the_named_chat_only(
    telegram: LoopbackThread,
    api_key: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = _owner(telegram)
    server = telegram.server
    vera, gleb = telegram.look(lambda: [server.add_user(name) for name in ("Vera", "Gleb")])
    owner = telegram.look(lambda: next(iter(server.world.users.values())))
    for number in range(5):
        telegram.run(server.send(vera, owner, f"message {number}"))
        telegram.run(server.send(gleb, owner, f"message {number}"))
    assert _run(monkeypatch, Person(phone=[PHONE], code=[code]), "login") == 0
    capsys.readouterr()
    verbs: list[Callable[[], int]] = [lambda: _run(monkeypatch, Person(), "pull", "Vera")] * 2
    assert [verb() for verb in verbs] == [0, 0]
    out = capsys.readouterr().out
    assert "5 new messages; 1 of 1 chat fetched to the beginning." in out and "0 new messages" in out
    with Store.open(tmp_path / "home" / "clone.db") as store:
        assert [chat.title for chat in store.chats.all()] == ["Vera"]
        assert store.messages.count() == 5
