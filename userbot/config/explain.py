"""What is wrong with a setting, in plain words instead of pydantic's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from userbot.domain.hours import Hours

_FORMS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    SecretStr: "a text",
    Hours: "hours such as 23:00-08:00",
    ZoneInfo: "a time zone such as Europe/Berlin",
    Path: "a path",
    tuple: 'a list, such as ["a", "b"]',
    dict: "a group of settings",
}
_BOUNDS = {"gt": "above", "ge": "of at least", "lt": "below", "le": "at most"}


def explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what a setting must be: `must be a whole number, at least 1`.

    Args:
        error: The first that pydantic found; its own text may quote a secret and is not used.
        model: The settings that it was found in.

    Returns:
        The end of a sentence whose subject is the setting.
    """
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])  # raised by a validator of ours
    field = find_field(model, error["loc"])
    return f"must be {describe_form(field)}" if field is not None else "has a value of another form"


def describe_form(field: FieldInfo) -> str:
    """Say which values a field takes: `a number above 0`, `one of cosine, linear, constant`."""
    kind = _strip_optional(field.annotation)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if _is_model(kind):
        return f"a group of settings: {', '.join(kind.model_fields)}"
    form = _FORMS.get(get_origin(kind) or kind, "a value")
    limits = [
        f"{word} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, word in _BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    return f"{form} {' and '.join(limits)}" if limits else form


def find_field(model: type[BaseModel], path: Iterable[int | str]) -> FieldInfo | None:
    """Return the field at a path of names, as far as it leads through groups; None where there is none."""
    field: FieldInfo | None = None
    inner: Any = model
    for name in path:
        if not _is_model(inner):
            break  # an item of a list
        field = inner.model_fields.get(str(name))
        if field is None:
            return None
        inner = _strip_optional(field.annotation)
    return field


def list_fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield all settings with their dotted names, including those of groups."""
    for name, field in model.model_fields.items():
        inner: Any = _strip_optional(field.annotation)
        if _is_model(inner):
            yield from list_fields(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def suggest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that were perhaps meant: those with the same last part, else the most similar ones."""
    candidates = list(known)
    last_part = name.rpartition(".")[2]
    same_part = [candidate for candidate in candidates if candidate.rpartition(".")[2] == last_part]
    return same_part or get_close_matches(name, candidates)


def _strip_optional(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        return next(part for part in get_args(kind) if part is not NoneType)
    return kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
