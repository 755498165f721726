"""What a folder or an archive holds: one export, or several side by side, each for a reader of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from userbot.importers.detection import detect_part, find_reader, list_likely, refuse_folder
from userbot.importers.reading.items import Reader
from userbot.importers.reading.source import Progress, Source
from userbot.importers.telegram.html import is_page

TRIED_PARTS = 300
"""Parts whose content is looked at; more are thousands of files of one kind, which their reader sorts out itself."""

_TELEGRAM, _PAGES = "telegram", "telegram-html"
_SUFFIXES = {"whatsapp": ".txt", _PAGES: ".html"}


@dataclass(frozen=True, slots=True)
class Unit:
    """One export among those of a folder.

    Args:
        format: Name of its format.
        parts: Its files.
        name: What it is called in texts; "" where there is no other.
    """

    format: str
    parts: tuple[str, ...]
    name: str = ""

    @property
    def reader(self) -> Reader:
        """Return the reader of its format."""
        return find_reader(self.format)


@dataclass(frozen=True, slots=True)
class Contents:
    """What is to be read, and what is not.

    Args:
        units: Exports, one at least.
        left_out: Sentences on what is there and is not read.
    """

    units: tuple[Unit, ...]
    left_out: tuple[str, ...] = ()


def list_units(source: Source, format_name: str | None) -> Contents:
    """List the exports that a file, a folder or an archive holds.

    Args:
        source: All of it.
        format_name: The format that the user named: then everything is of that one.

    Raises:
        ConfigError: There is no format of that name.
        ExportFormatError: Nothing in it is of a known format; the text names what was seen.
    """
    if format_name is not None:
        find_reader(format_name)
        return Contents(_split(source, format_name, source.parts()))
    if not (source.is_folder or source.is_archive):
        (part,) = source.parts()
        return Contents((Unit(detect_part(source, part, required=True) or "", (part,)),))
    formats = {
        part: name
        for part in list_likely(source)[:TRIED_PARTS]
        if (name := detect_part(source, part, required=False)) is not None
    }
    if not formats:
        refuse_folder(source)
    left_out, pages = _leave_out_pages(formats)
    units: list[Unit] = []
    for name in dict.fromkeys(formats.values()):
        if name == _PAGES and not pages:
            continue
        units += _split(source, name, _find_parts(source, name, formats, pages))
    if len(units) > 1:
        units = [Unit(unit.format, unit.parts, unit.name or unit.format) for unit in units]
    return Contents(tuple(units), left_out)


def share_progress(progress: Progress | None, number: int, count: int) -> Progress | None:
    """Return the progress of one of several exports, as a share of all.

    Args:
        progress: Of all.
        number: Which one, from 0.
        count: How many there are.
    """
    if progress is None or count == 1:
        return progress
    return lambda done, total: progress(number * total + done, count * total)


def _leave_out_pages(formats: dict[str, str]) -> tuple[tuple[str, ...], list[str]]:
    """Return a note on pages that say again what a JSON file beside them says, and the pages that are to be read."""
    folders = {_folder(part) for part, name in formats.items() if name == _TELEGRAM}
    pages = [part for part, name in formats.items() if name == _PAGES]
    double = [page for page in pages if any(page.startswith(folder) for folder in folders)]
    if not double:
        return (), pages
    named = ", ".join(sorted({_folder(page) or page for page in double})[:5])
    note = (
        f"The HTML pages in {named} were left out: the JSON beside them holds the same messages, with more about them."
    )
    return (note,), [page for page in pages if page not in double]


def _find_parts(source: Source, name: str, formats: dict[str, str], pages: Sequence[str]) -> list[str]:
    if name == _TELEGRAM:
        return [part for part, other in formats.items() if other == name]
    if name == _PAGES:
        folders = {_folder(page) for page in pages}
        return [part for part in source.parts(".html") if is_page(part) and _folder(part) in folders]
    suffix = _SUFFIXES.get(name, ".json")
    return [part for part in source.parts(suffix) if formats.get(part, name) == name]


def _split(source: Source, name: str, parts: Sequence[str]) -> tuple[Unit, ...]:
    """Return one export per file for Telegram's JSON, and one for all files of any other format."""
    files = [part for part in parts if part.endswith("result.json")] if name == _TELEGRAM else []
    if len(files) > 1:
        return tuple(Unit(name, (part,), _folder(part).rstrip("/") or part) for part in files)
    return (Unit(name, tuple(parts)),)


def _folder(part: str) -> str:
    """Return the folder of a part with its slash; "" at the top."""
    return part[: part.rfind("/") + 1]
