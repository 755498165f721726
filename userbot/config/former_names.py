"""Former names of settings: they still work, with a note that says today's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

Path = tuple[str, ...]


class FormerNameWarning(UserWarning):
    """A setting was given under its former name."""


def accept_former_names(values: Mapping[str, Any], renamed: Mapping[Path, Path]) -> dict[str, Any]:
    """Return settings under today's names; where both names are given, today's wins.

    Each former name is also reported as a `FormerNameWarning`.

    Args:
        values: Nested settings, as they were read.
        renamed: Today's path of names by the former one, which has two levels.

    Returns:
        A copy with the former names replaced.
    """
    moved = dict(values)
    for former, today in renamed.items():
        group = moved.get(former[0])
        if len(former) != 2 or not isinstance(group, Mapping) or former[1] not in group:
            continue
        kept = {name: value for name, value in group.items() if name != former[1]}
        moved[former[0]] = kept
        *above, last = today
        target = moved
        for name in above:
            target[name] = dict(target.get(name) or {})
            target = target[name]
        effect = f"is ignored, since {name_variable(today)} is set" if last in target else "still works"
        note = f"{name_variable(former)} is called {name_variable(today)} now; the former name {effect}."
        warnings.warn(FormerNameWarning(note), stacklevel=2)
        target.setdefault(last, group[former[1]])
    return moved


def name_variable(path: Sequence[object]) -> str:
    """Return the environment variable of a setting: `("reply", "pace")` is `CLONE_REPLY__PACE`."""
    return "CLONE_" + "__".join(map(str, path)).upper()
