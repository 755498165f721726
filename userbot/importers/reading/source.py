"""An export on disk (a file, a folder or a zip archive) as named parts that report how far they are read."""

from __future__ import annotations

import codecs
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from itertools import islice
from pathlib import Path
from typing import IO, Any

from userbot.domain.errors import ExportFormatError

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""

# A folder full of pictures is no reason to walk for minutes.
MAX_PARTS = 200_000
_TRANSCODED_BYTES = 1 << 16


class Source:
    """The parts of an export.

    Args:
        path: A file, a folder, or a `.zip` archive.
        progress: Called with (bytes done, bytes in all) as parts are read.

    Raises:
        ExportFormatError: There is nothing at `path`, or it is empty, unreadable, or a damaged archive.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path = path
        self._progress = progress
        self._done = 0
        self._total = 0
        self._archive: zipfile.ZipFile | None = None
        try:
            self._sizes = self._list()
        except (OSError, zipfile.BadZipFile) as exc:
            raise _unreadable(path, exc) from exc

    @property
    def name(self) -> str:
        """Name of the folder, or of the file without its suffix."""
        return self.path.resolve().name if self.path.is_dir() else self.path.stem

    @property
    def is_archive(self) -> bool:
        """Tell whether the parts lie in a zip archive."""
        return self._archive is not None

    @property
    def is_folder(self) -> bool:
        """Tell whether the parts lie in a folder."""
        return self.path.is_dir()

    def parts(self, suffix: str = "") -> list[str]:
        """Return the names of the parts that end with a suffix, in natural order (`message_2` before `message_10`).

        Args:
            suffix: In lower case, with its dot; "" for all parts.

        Returns:
            Names relative to the export, with `/` between folders.
        """
        return sorted((name for name in self._sizes if name.lower().endswith(suffix)), key=_natural)

    def restrict(self, parts: Iterable[str], progress: Progress | None) -> Source:
        """Return a view of this export that holds some of its parts only; it is closed with the whole.

        Args:
            parts: Their names.
            progress: As of a new source.
        """
        view = copy(self)
        view._sizes = {part: self._sizes[part] for part in parts}
        view._progress = progress
        view._done = view._total = 0
        return view

    def size(self, part: str) -> int:
        """Return the unpacked size of a part in bytes."""
        return self._sizes[part]

    def expect(self, parts: Sequence[str], *, passes: int = 1) -> None:
        """Announce what will be read, for the progress; call it once before opening the parts.

        Args:
            parts: Names of the parts that will be opened.
            passes: How often each of them is read.
        """
        self._done = 0
        self._total = max(1, passes * sum(self._sizes[part] for part in parts))

    def open(self, part: str) -> MeteredFile:
        """Open a part for reading.

        Raises:
            ExportFormatError: It can't be opened.
        """
        try:
            if self._archive is not None:
                return MeteredFile(self._archive.open(part), self.where(part), self._advance)
            path = self.path / part if self.is_folder else self.path
            return MeteredFile(path.open("rb", buffering=0), self.where(part), self._advance)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as exc:
            raise _unreadable(self.path, exc) from exc

    def head(self, part: str, size: int) -> bytes:
        """Return the first `size` bytes of a part, without counting them as progress.

        Raises:
            ExportFormatError: It can't be read.
        """
        total, self._total = self._total, 0
        with self.open(part) as stream:
            start = stream.read(size)
        self._total = total
        return start

    def where(self, part: str) -> str:
        """Return the path of a part, for an error text."""
        return str(self.path) if part == self.path.name and not self.is_folder else f"{self.path}/{part}"

    def close(self) -> None:
        """Close the archive, if there is one."""
        if self._archive is not None:
            self._archive.close()

    def _list(self) -> dict[str, int]:
        if self.path.is_dir():
            files = islice((path for path in self.path.rglob("*") if path.is_file()), MAX_PARTS)
            return {path.relative_to(self.path).as_posix(): path.stat().st_size for path in files}
        if not self.path.exists():
            raise ExportFormatError(
                f"There is no file {self.path}. Give the export's path, such as "
                f"~/Downloads/Telegram Desktop/DataExport_2026-01-31/result.json."
            )
        size = self.path.stat().st_size
        if size == 0:
            raise ExportFormatError(f"{self.path} is empty (0 bytes). Export the chats again, and wait for the end.")
        if zipfile.is_zipfile(self.path):
            self._archive = zipfile.ZipFile(self.path)
            return {info.filename: info.file_size for info in self._archive.infolist() if not info.is_dir()}
        return {self.path.name: size}

    def _advance(self, size: int) -> None:
        if self._total and self._progress is not None:
            self._done = min(self._total, self._done + size)
            self._progress(self._done, self._total)


class MeteredFile(io.RawIOBase):
    """A file open for reading that counts its bytes; damage below it becomes an `ExportFormatError`.

    What a byte order mark announces is read as plain UTF-8: some editors and shells save UTF-16, or put the mark first.

    Args:
        stream: The file below.
        where: Its path, for error texts.
        advance: Called with the number of bytes of each piece that was read.

    Attributes:
        position: Bytes of the file read so far.
    """

    def __init__(self, stream: IO[bytes], where: str, advance: Callable[[int], None]) -> None:
        super().__init__()
        self._stream = stream
        self._advance = advance
        self.where = where
        self.position = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held = self._read_raw(len(codecs.BOM_UTF8))
        if self._held.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
            self._held = self._transcode(self._held)
        self._held = self._held.removeprefix(codecs.BOM_UTF8)

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return the number of bytes read."""
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, all if negative.

        Raises:
            ExportFormatError: The disk or the archive is damaged.
        """
        held, self._held = self._held, b""
        if self._decoder is None:
            if 0 <= size <= len(held):
                return self._keep(held, size)
            return held + self._read_raw(size if size < 0 else size - len(held))
        while size < 0 or len(held) < size:
            raw = self._read_raw(_TRANSCODED_BYTES)
            held += self._transcode(raw)
            if not raw:
                break
        return held if size < 0 else self._keep(held, size)

    def _keep(self, held: bytes, size: int) -> bytes:
        """Return the first bytes, and keep the rest for the next reading."""
        self._held = held[size:]
        return held[:size]

    def _transcode(self, raw: bytes) -> bytes:
        assert self._decoder is not None  # noqa: S101  # asked where there is one
        return self._decoder.decode(raw, final=not raw).encode("utf-8", "replace")

    def _read_raw(self, size: int) -> bytes:
        try:
            piece = self._stream.read(size)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as exc:
            raise ExportFormatError(
                f"{self.where} can't be read after byte {self.position}: the disk or the archive is damaged. "
                f"Export it again, or unpack the archive and give the folder."
            ) from exc
        self.position += len(piece)
        self._advance(len(piece))
        return piece

    def close(self) -> None:
        """Close the file below."""
        self._stream.close()
        super().close()


def _unreadable(path: Path, exc: Exception) -> ExportFormatError:
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
    return ExportFormatError(f"{path} can't be opened ({reason}). Check its permissions, or export it again.")


def _natural(name: str) -> list[tuple[int, int, str]]:
    key: list[tuple[int, int, str]] = []
    digits = letters = ""
    for char in f"{name}\0":
        if char.isascii() and char.isdigit():
            if letters:
                key.append((1, 0, letters))
            letters, digits = "", digits + char
            continue
        if digits:
            key.append((0, int(digits), ""))
        digits, letters = "", letters + char
    return [*key, (1, 0, letters)]
