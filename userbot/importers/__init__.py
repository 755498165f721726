"""Export files -> messages: one module per format behind one Protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from userbot.importers.reading.items import FORMATS
from userbot.importers.summary import ChatRow, ImportSummary

if TYPE_CHECKING:
    from userbot.store import Store

__all__ = ["FORMATS", "ChatRow", "ImportSummary", "import_file"]


def import_file(
    store: Store | None,
    path: Path,
    *,
    format_name: str | None = None,
    me: str | None = None,
    date_order: str | None = None,
    owner_id: int | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
    readmit: Callable[[int], object] | None = None,
) -> ImportSummary:
    """Read an export and store its chats and messages; importing it again adds nothing twice.

    A file that ends early is imported as far as it is complete: see `ImportSummary.truncated_after`. A Telegram export
    tells the store who the owner is, if the store does not know yet.

    Args:
        store: Where to store; may be None in a dry run.
        path: A file, folder or zip archive.
        format_name: One of `FORMATS`; None detects it from the content.
        me: The owner's name as the export shows it, or their Telegram id, for exports that don't say who the owner is.
        owner_id: The owner's Telegram id, if it is known; None asks the store.
        dry_run: Read and count only.
        progress: Called with (bytes done, bytes in all).
        readmit: Takes the tombstones of a forgotten chat away when the export has it; None leaves such chats out.

    Returns:
        What was read and stored.

    Raises:
        ConfigError: `format_name` is unknown.
        ExportFormatError: The file is missing, damaged, or not an export of a known format.
        OwnerUnknownError: Nothing tells which sender is the owner; the text lists the candidates.
    """
    # Reading pulls in parsers that no other command needs.
    from userbot.importers.ingestion import run_import

    return run_import(
        None if dry_run else store,
        path,
        format_name=format_name,
        me=me,
        date_order=date_order,
        owner_id=owner_id,
        progress=progress,
        readmit=readmit,
    )
