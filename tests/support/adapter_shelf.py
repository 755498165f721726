"""A shelf of adapters that hold nothing but a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from userbot.store.adapters import AdapterShelf, Manifest


def make_shelf(folder: Path, **data_by_id: dict[str, Any]) -> AdapterShelf:
    """Make a shelf with an adapter for each name, trained by that configuration of the data.

    A `text_format` and a `base` among the values are the manifest's own.
    """
    shelf = AdapterShelf(folder)
    for name, values in data_by_id.items():
        data = dict(values)
        manifest = Manifest(
            id=name,
            base=data.pop("base", "tiny"),
            created_at="2026-01-05T12:00:00+00:00",
            text_format=data.pop("text_format", "chat"),
            config={"data": data},
        )
        with shelf.write(manifest) as folder:
            (folder / "adapter_model.safetensors").touch()
    return shelf
