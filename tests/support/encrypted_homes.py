"""Homes under a passphrase, for tests: the passphrase in a file, a cheap derivation, a search for words on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from userbot.config import passphrase
from userbot.config.home import HomePaths
from userbot.config.passphrase import FILE_VARIABLE, KEYS

PASSPHRASE = "five red umbrellas in Üsküdar"


def name_passphrase(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = PASSPHRASE) -> Path:
    """Write a passphrase into a file, let the environment name it, and forget keys of before."""
    path = folder / "passphrase"
    path.touch(mode=0o600)
    path.write_text(text + "\n", "utf-8")
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    KEYS.forget()
    return path


def make_derivation_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys be derived in a millisecond, in this process."""
    monkeypatch.setattr(passphrase, "_SCRYPT_N", 2**4)


def find_word(home: Path, word: str) -> list[str]:
    """Return the files of session, database and backups, with all that lies beside them, that hold a word."""
    paths = HomePaths(home)
    files = [path for path in (*home.glob("*"), *home.glob(".*"), *paths.backups.rglob("*")) if path.is_file()]
    return [str(path.relative_to(home)) for path in files if word.encode() in path.read_bytes()]
