"""The commands of encryption, as the owner types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Clone
from encrypted_homes import PASSPHRASE, find_word, make_derivation_cheap

from userbot.config.passphrase import FILE_VARIABLE, KEYS
from userbot.domain.errors import PassphraseError, SessionBusyError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.telegram.session import SessionLock


@pytest.fixture(autouse=True)
def filled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_derivation_cheap(monkeypatch)
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    KEYS.forget()
    with Store.open(home / "clone.db") as store:
        store.chats.save([Chat(id=101, kind=ChatKind.PRIVATE, title="Vera")])


def test_encrypt_asks_twice_and_every_command_asks_once(clone: Clone, home: Path) -> None:
    out = clone("encrypt", answers=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert "Encrypted 1 file: clone.db." in out and "without it nobody can open them" in out
    assert PASSPHRASE not in out + clone.err and find_word(home, "Vera") == []
    KEYS.forget()
    assert "Vera" in clone("chats", "list", answers=f"{PASSPHRASE}\n")
    assert "Everything is encrypted already." in clone("encrypt", answers=f"{PASSPHRASE}\n")
    assert "ok  encryption: on: session, database and backups" in clone("doctor")
    assert "Decrypted 1 file: clone.db." in clone("decrypt", answers=f"{PASSPHRASE}\n")
    assert find_word(home, "Vera") == ["clone.db"]
    assert "Nothing is encrypted here." in clone("decrypt")
    assert "ok  encryption: off; `clone encrypt`" in clone("doctor")


def test_slip_changes_nothing(clone: Clone, home: Path) -> None:
    before = (home / "clone.db").read_bytes()
    with pytest.raises(PassphraseError, match="differ"):
        clone("encrypt", answers="one\ntwo\n")
    assert (home / "clone.db").read_bytes() == before and not (home / "encryption.json").exists()


@pytest.mark.parametrize("command", [("chats", "list"), ("decrypt",), ("encrypt",), ("status",)])
def test_wrong_passphrase_is_refused_by_each_command(clone: Clone, home: Path, command: tuple[str, ...]) -> None:
    clone("encrypt", answers=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    KEYS.forget()
    with pytest.raises(PassphraseError, match="Wrong passphrase"):
        clone(*command, answers="another one\nanother one\n")


def test_short_passphrase_is_taken_with_a_warning(clone: Clone) -> None:
    clone("encrypt", answers="short\nshort\n")
    assert clone.code == 0 and "can be guessed" in clone.err


@pytest.mark.parametrize("command", ["encrypt", "decrypt"])
def test_running_daemon_is_in_the_way(clone: Clone, home: Path, command: str) -> None:
    if command == "decrypt":
        clone("encrypt", answers=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    with SessionLock(home / "telegram.session"), pytest.raises(SessionBusyError, match="already uses"):
        clone(command, answers=f"{PASSPHRASE}\n{PASSPHRASE}\n")


def test_doctor_finds_a_plain_copy_in_an_encrypted_home(clone: Clone, home: Path) -> None:
    plain = (home / "clone.db").read_bytes()
    clone("encrypt", answers=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    (home / "backups").mkdir(mode=0o700)
    (home / "backups" / "clone-1.db").write_bytes(plain)
    assert "no  encryption: can be read without the passphrase: clone-1.db. Run: clone encrypt" in clone("doctor")
    assert "Encrypted 1 file: backups/clone-1.db." in clone("encrypt", answers=f"{PASSPHRASE}\n")


def test_empty_home_says_that_what_comes_is_encrypted(clone: Clone, home: Path) -> None:
    (home / "clone.db").unlink()
    out = clone("encrypt", answers=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert "what comes will be encrypted" in out


def test_help_teaches_where_the_passphrase_comes_from(clone: Clone) -> None:
    text = " ".join(clone("encrypt", "--help").split())
    assert FILE_VARIABLE in text and "clone-passphrase" in text and "adapters" in text
