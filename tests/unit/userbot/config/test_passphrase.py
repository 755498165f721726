"""The passphrase: from a file, a credential or the terminal, never echoed; and the key, which only a child gets."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from encrypted_homes import make_derivation_cheap

from userbot.config.passphrase import CREDENTIAL, FILE_VARIABLE, KEYS, Keyring, derive_key
from userbot.config.settings import load_settings
from userbot.domain.errors import ExitCode, PassphraseError

SALT = bytes(range(16))


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    make_derivation_cheap(monkeypatch)
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def never(text: str) -> str:
    raise AssertionError(f"asked: {text}")


def test_key_depends_on_passphrase_and_salt_and_is_shown_nowhere() -> None:
    key = derive_key("secret", SALT)
    assert key == derive_key("secret", SALT)
    assert len({key.key, derive_key("Secret", SALT).key, derive_key("secret", SALT[::-1]).key}) == 3
    assert key.literal == f"x'{key.key.hex()}{SALT.hex()}'"
    assert key.key.hex() not in repr(key) + key.verifier and repr(key.key) not in repr(key)


def test_two_ways_to_type_an_umlaut_are_one_passphrase() -> None:
    assert derive_key("Gr\u00fc\u00dfe", SALT) == derive_key("Gru\u0308\u00dfe", SALT)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_file_of_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: bytes) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(write(tmp_path / "p", b" two words " + ending)))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    write(tmp_path / CREDENTIAL, b"other", 0o400)
    assert Keyring(never).read_passphrase(twice=True) == " two words "


def test_credential_of_systemd_is_used_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    write(tmp_path / CREDENTIAL, b"from systemd", 0o400)
    assert Keyring(never).read_passphrase() == "from systemd"


def test_other_credentials_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert Keyring(lambda _: "typed").read_passphrase() == "typed"


def test_file_can_be_named_in_the_settings(tmp_path: Path) -> None:
    path = write(tmp_path / "p", b"of the settings")
    write(tmp_path / ".env", f"CLONE_PASSPHRASE_FILE={path}\n".encode())
    try:
        load_settings(tmp_path)
        assert KEYS.read_passphrase() == "of the settings"
    finally:
        KEYS.file = None


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (b"secret", 0o640, r"can be read by other accounts \(640\)\. Repair: chmod go= "),
        (b"\n", 0o600, "is empty"),
        (b"\xff\xfe", 0o600, "is not text in UTF-8"),
        (b"x" * 5000, 0o600, "is longer than 4096 bytes"),
        (None, 0o600, f"can't be read: No such file or directory. Set {FILE_VARIABLE}"),
    ],
)
def test_file_that_cannot_be_used_is_named_with_the_repair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, mode: int, reason: str
) -> None:
    path = tmp_path / "p"
    if content is not None:
        write(path, content, mode)
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    with pytest.raises(PassphraseError, match=reason) as caught:
        Keyring(never).read_passphrase()
    assert str(path) in str(caught.value) and "secret" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.WRONG


def test_new_passphrase_is_asked_for_twice_and_must_be_the_same() -> None:
    answers = iter(["first", "second"])
    with pytest.raises(PassphraseError, match="differ; nothing was changed"):
        Keyring(lambda _: next(answers)).read_passphrase(twice=True)
    with pytest.raises(PassphraseError, match="is empty; nothing was changed"):
        Keyring(lambda _: "").read_passphrase(twice=True)
    assert next(answers, None) is None


ASK = "from userbot.config.passphrase import KEYS; print('got', len(KEYS.read_passphrase(twice=True)))"


def read_until(terminal: int, shown: bytes, ending: bytes) -> bytes:
    deadline = time.monotonic() + 30
    while not shown.endswith(ending) and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 1000)
    return shown


def test_terminal_does_not_show_what_is_typed() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ASK], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    try:
        shown = b""
        for answer in (b"umbrella\n", b"umbrella\n"):
            # The blank comes last, once the echo is off; what was typed before is dropped.
            shown = read_until(ours, shown + b"|", b": ")
            os.write(ours, answer)
        shown = read_until(ours, shown + b"|", b"got 8\r\n")
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
        os.close(ours)
    assert shown.endswith(b"got 8\r\n") and b"umbrella" not in shown
    assert shown.count(b"not shown") == 1


def test_without_a_terminal_the_error_names_the_other_ways() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK], stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True
    )
    assert done.returncode == 1 and FILE_VARIABLE in done.stderr and CREDENTIAL in done.stderr


CHILD = """
import os, sys
from userbot.config.passphrase import Keyring
print([name for name, value in os.environ.items() if sys.argv[1] in value])
ring = Keyring(lambda text: "asked")
print(ring.find(bytes(range(16))).key.hex())
print(ring.find(bytes(16)) != ring.find(bytes(range(16))))
print([name for name in os.environ if name.startswith("TELEGRAM_CLONE")])
"""


def test_child_gets_the_key_through_a_pipe_and_by_no_variable() -> None:
    ring, key = Keyring(never), derive_key("secret", SALT)
    ring.accept(key)
    with ring.lend() as (variables, descriptors):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, key.key.hex()],
            env={**os.environ, **variables},
            pass_fds=descriptors,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    assert done.stdout.splitlines() == ["[]", key.key.hex(), "True", "[]"]


def test_where_nothing_is_encrypted_a_child_gets_nothing() -> None:
    with Keyring(never).lend() as lent:
        assert lent == ({}, ())


@pytest.mark.parametrize("number", ["999", "none"])
def test_variable_without_its_pipe_is_ignored(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setenv("TELEGRAM_CLONE_KEY_FD", number)
    assert Keyring(lambda _: "typed").find(SALT) == derive_key("typed", SALT)
