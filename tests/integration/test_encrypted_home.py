"""A life on an encrypted home: import, consent, a daemon, backups, another process; and kills while it is made."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from daemon_stage import DaemonStage, end_process, start_process
from encrypted_homes import PASSPHRASE, find_word, name_passphrase

from userbot.config.home import HomePaths
from userbot.config.passphrase import FILE_VARIABLE, KEYS
from userbot.daemon.housekeeping import back_up
from userbot.demo.export import EXPORT_PATH, FRIEND_NAME
from userbot.domain.errors import ExitCode
from userbot.domain.messages import Chat, ChatKind
from userbot.loopback import LoopbackTelegram
from userbot.retraining.process import TrainingProcess
from userbot.store import Store
from userbot.store.encryption import is_encrypted, list_plain
from userbot.store.store import utc_now

WORD = "umbrella"


def clone(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "userbot", "--home", str(home), *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield name_passphrase(tmp_path, monkeypatch)
    KEYS.forget()


def test_owner_lives_on_an_encrypted_home(tmp_path: Path, named: Path) -> None:
    home = tmp_path / "home"
    assert clone(home, "import", str(EXPORT_PATH)).returncode == 0
    before = clone(home, "chats", "list").stdout
    assert "clone.db" in find_word(home, FRIEND_NAME)

    assert clone(home, "encrypt").returncode == 0

    assert find_word(home, FRIEND_NAME) == []
    assert clone(home, "chats", "list").stdout == before and FRIEND_NAME in before
    assert "0 new" in clone(home, "import", str(EXPORT_PATH)).stdout
    assert clone(home, "chats", "consent", FRIEND_NAME, "--by", FRIEND_NAME, "--yes").returncode == 0
    assert clone(home, "dataset", "stats").returncode == 0
    assert find_word(home, FRIEND_NAME) == []
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("another one")
    for command in (["chats", "list"], ["decrypt"], ["train"], ["run"]):
        refused = clone(home, *command, **{FILE_VARIABLE: str(wrong)})
        assert (refused.returncode, refused.stderr.count("Wrong passphrase")) == (ExitCode.WRONG, 1), command
    asked = clone(home, "status", **{FILE_VARIABLE: ""})
    assert asked.returncode == ExitCode.WRONG and "no terminal to ask" in asked.stderr

    assert clone(home, "decrypt").returncode == 0
    assert "1 chat" not in clone(home, "chats", "list", **{FILE_VARIABLE: ""}).stderr
    assert "clone.db" in find_word(home, FRIEND_NAME)


async def test_training_process_opens_the_store_by_the_key_of_its_parent(
    tmp_path: Path, named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    assert clone(home, "encrypt").returncode == 0
    with Store.open(HomePaths(home).database):
        pass
    monkeypatch.delenv(FILE_VARIABLE)
    events: list[object] = []
    ended = await TrainingProcess(home, nice=0).train(None, resume=False, on_event=events.append)
    # It has read the database, where it found nothing.
    assert ended.failed is not None and "The store holds no chat" in ended.failed.text


async def test_daemon_answers_and_backs_up_on_an_encrypted_home(tmp_path: Path, named: Path) -> None:
    async with LoopbackTelegram() as server:
        stage = await DaemonStage.set_up(server, tmp_path / "home")
        paths = HomePaths(stage.home)
        assert (await asyncio.to_thread(clone, stage.home, "encrypt")).returncode == 0
        assert list_plain(paths) == [] and sqlite_refuses(paths.session)
        process = await start_process(stage.home)
        await server.send(stage.vera, stage.owner, WORD)
        assert await stage.heard(stage.vera, 2, timeout_s=30) == [f"re: {WORD} [1]", f"re: {WORD} [2]"]
        busy = await asyncio.to_thread(clone, stage.home, "decrypt")
        assert busy.returncode == ExitCode.FAILED and f"Process {process.pid} already uses" in busy.stderr
        copy = back_up(paths.database, paths.backups, now=utc_now(), keep=2)
        await end_process(process, signal.SIGKILL)
        assert find_word(stage.home, WORD) == []
        process = await start_process(stage.home)
        assert await end_process(process) == 0
    assert find_word(stage.home, WORD) == []
    for companion in stage.home.glob("clone.db*"):
        companion.unlink()
    copy.rename(paths.database)
    with Store.open(paths.database) as store:
        assert store.messages.count() > 0
    assert clone(stage.home, "decrypt").returncode == 0
    assert not sqlite_refuses(paths.session) and "clone.db" in find_word(stage.home, WORD)


def sqlite_refuses(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as opened:
            opened.execute("SELECT * FROM sqlite_master").fetchall()
    except sqlite3.DatabaseError:
        return True
    return False


KILLED = """
import os, pathlib, signal, sys
from userbot.config import passphrase
from userbot.config.home import HomePaths
from userbot.store import encryption
passphrase._SCRYPT_N = 2 ** 4
encryption._STEPS_BETWEEN_REPORTS = 2_000
left = int(sys.argv[3])
def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
fsync, replace = os.fsync, pathlib.Path.replace
os.fsync = lambda handle: (count(), fsync(handle), count())
pathlib.Path.replace = lambda self, target: (count(), replace(self, target), count())
getattr(encryption, sys.argv[1] + "_home")(HomePaths(pathlib.Path(sys.argv[2])), sys.argv[4], progress=count)
"""


def run_killed(what: str, home: Path, step: int) -> bool:
    done = subprocess.run([sys.executable, "-c", KILLED, what, str(home), str(step), PASSPHRASE])
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize(("what", "back"), [("encrypt", "decrypt"), ("decrypt", "encrypt")])
def test_kill_at_any_step_loses_nothing_and_is_finished_or_undone(
    tmp_path: Path, named: Path, monkeypatch: pytest.MonkeyPatch, what: str, back: str
) -> None:
    monkeypatch.setattr("userbot.config.passphrase._SCRYPT_N", 2**4)
    home = tmp_path / "home"
    paths = HomePaths(home)
    with Store.open(paths.database) as store:
        store.chats.save([Chat(id=number, kind=ChatKind.PRIVATE, title=f"{WORD} {number}") for number in range(1, 400)])
    back_up(paths.database, paths.backups, now=utc_now(), keep=9)
    if what == "decrypt":
        run_killed("encrypt", home, 0)
    step = 1
    while run_killed(what, home, step):
        with Store.open(paths.database) as store:
            assert len(store.chats.all()) == 399, f"after step {step}"
        if step % 2:
            assert not run_killed(back, home, 0)
            assert is_encrypted(paths) == (back == "encrypt")
        step += 3
    assert step > 20
    with Store.open(paths.database) as store:
        assert len(store.chats.all()) == 399
    assert (find_word(home, WORD) == []) == (what == "encrypt")
    assert not list(home.rglob("*converting*")) and is_encrypted(paths) == (what == "encrypt")
