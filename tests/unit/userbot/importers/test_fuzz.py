"""Broken exports: each is imported as far as it goes, or refused by an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.exports.mutations import FORMATS, OWNERS, broken_exports
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from userbot.domain.errors import ExportError
from userbot.importers import import_file
from userbot.store import Store

CASES = 100

quickly = settings(
    max_examples=CASES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Path]]:
    folder = tmp_path_factory.mktemp("fuzz")
    with Store.open(folder / "home" / "clone.db") as store:
        yield store, folder


def survive(store: Store, path: Path, raw: bytes, format_name: str | None, me: str | None = None) -> None:
    path.write_bytes(raw)
    try:
        summary = import_file(store, path, format_name=format_name, owner_id=1001, me=me)
    except ExportError as exc:
        # Names the file, and what to do about it.
        assert str(path.parent) in str(exc)
    else:
        assert summary.messages == summary.added + summary.known > 0


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("detected", [True, False])
def test_broken_export_is_imported_or_refused(shared: tuple[Store, Path], name: str, detected: bool) -> None:
    store, folder = shared
    path = folder / ("chat.html" if name == "telegram-html" else "export")

    @quickly
    @given(raw=broken_exports(name))
    def check(raw: bytes) -> None:
        survive(store, path, raw, None if detected else name, OWNERS.get(name))

    check()


@quickly
@given(raw=st.binary(max_size=300), name=st.sampled_from(FORMATS))
def test_noise_is_refused_in_every_format(shared: tuple[Store, Path], raw: bytes, name: str) -> None:
    store, folder = shared
    survive(store, folder / "noise", raw, name)
