"""The owner's own patterns."""

from __future__ import annotations

import time

import pytest

from userbot.domain.errors import ConfigError
from userbot.trust.detectors import CustomPattern, detect
from userbot.trust.detectors.custom import check_patterns


def test_own_pattern_comes_before_everything_else() -> None:
    found = detect("Проект Ромашка, тел 89161234567", [CustomPattern("projects", r"ромашк\w+|\d{11}")])
    assert [one.kind for one in found] == ["private", "private"]


@pytest.mark.parametrize("broken", ["(", r"\d*"])
def test_pattern_that_cannot_be_used_is_named(broken: str) -> None:
    with pytest.raises(ConfigError, match="The pattern staff"):
        check_patterns([CustomPattern("staff", broken)])


def test_pattern_that_never_ends_is_stopped_and_named() -> None:
    started = time.perf_counter()
    with pytest.raises(ConfigError, match="The pattern slow took longer"):
        detect("a" * 40 + "!", [CustomPattern("slow", r"(a|aa)+$")])
    assert time.perf_counter() - started < 2
