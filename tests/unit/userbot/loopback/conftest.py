"""The inside of a loopback server, and two clients of it, for the tests of single modules."""

from __future__ import annotations

import pytest
from loopback_bench import Bench, Device


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def phone(bench: Bench) -> Device:
    """A client of the owner's."""
    return Device(bench, bench.owner)


@pytest.fixture
def veras(bench: Bench) -> Device:
    """A client of Vera's."""
    return Device(bench, bench.vera)
