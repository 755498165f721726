"""Training and inference: from the chats in the store to an adapter and its replies.

Light to import, because torch is loaded on use: the article's four names, too, are loaded when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.article.clone import CloneConfig, LLMClone, train_clone
    from training.article.data import process_tg_data

__all__ = ["CloneConfig", "LLMClone", "process_tg_data", "train_clone"]

_MODULES = {
    "CloneConfig": "training.article.clone",
    "LLMClone": "training.article.clone",
    "process_tg_data": "training.article.data",
    "train_clone": "training.article.clone",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
