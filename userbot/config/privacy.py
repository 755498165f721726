"""The home folder is its owner's alone: modes are mended, and what can't be mended is refused with the repair."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from userbot.domain.errors import ConfigError
from userbot.domain.plural import format_count

SHOWN = 3
"""Names that a note lists before it only counts."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


def protect_home(home: Path) -> tuple[str, ...]:
    """Make every file of the home folder 0600 and every folder 0700; refuse a home that others could exchange.

    Links inside are not followed. A home that does not exist yet is made private when it is made.

    Args:
        home: The home folder, or a link to it.

    Returns:
        Lines that tell the owner what was mended; none where all was private.

    Raises:
        ConfigError: The home, what holds it, or something in it can be changed by another account.
    """
    _check_place(home)
    if not home.exists():
        return ()
    if not home.is_dir():
        raise ConfigError(f"{home} is not a folder. Move it away, or set CLONE_HOME to a folder of your own.")
    mended = [path for path in _walk(home.resolve()) if _mend(path)]
    if not mended:
        return ()
    root = home.resolve()
    names = [str(path.relative_to(root)) if path != root else str(home) for path in mended]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    changed = " They include your settings: look whether they are still yours." if ".env" in names else ""
    count = format_count(len(names), "path")
    shown = f"{', '.join(names[:SHOWN])}{more}.{changed}"
    return (f"Other accounts had access to {count} of the home folder. Mended, so that only you have it: {shown}",)


def _check_place(home: Path) -> None:
    """Refuse a home whose folder, or whose link, another account could replace by its own."""
    places = [home.parent.resolve()]
    if home.is_symlink():
        _check_owner(home)
        places.append(home.resolve().parent)
    for place in dict.fromkeys(places):
        for folder in (place, *place.parents):
            _check_holder(folder, home, is_direct=folder == place)


def _check_holder(folder: Path, home: Path, *, is_direct: bool) -> None:
    try:
        mode = folder.stat().st_mode
    except OSError:  # not made yet, or not ours to look at
        return
    forbidden = stat.S_IWGRP | stat.S_IWOTH if is_direct else stat.S_IWOTH
    # In a sticky folder such as /tmp only the owner of an entry can exchange it, and the entry is looked at itself.
    if mode & forbidden and not mode & stat.S_ISVTX:
        who = "o" if mode & stat.S_IWOTH else "g"
        raise ConfigError(
            f"The folder {folder}, in which the home folder {home} lies, can be written by others "
            f"({stat.S_IMODE(mode):o}), who could put another one in its place. Repair: chmod {who}-w {folder}"
        )


def _check_owner(path: Path) -> os.stat_result:
    found = path.lstat()
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to {_name_user(found.st_uid)}, not to you. "
            f"Repair: sudo chown -h {_name_user(os.geteuid())} {path}, or run as {_name_user(found.st_uid)}"
        )
    return found


def _walk(root: Path) -> Iterator[Path]:
    """Yield the folder and everything in it, a folder before what it holds, so that it is open to us by then."""
    yield root
    with os.scandir(root) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            try:
                yield from _walk(Path(entry.path))
            except FileNotFoundError:  # the daemon deletes and renames meanwhile
                continue
        elif not entry.is_symlink():
            yield Path(entry.path)


def _mend(path: Path) -> bool:
    try:
        found = _check_owner(path)
        mode = stat.S_IMODE(found.st_mode)
        wanted = mode & ~(_OTHERS | _SPECIAL) | (stat.S_IRWXU if stat.S_ISDIR(found.st_mode) else 0)
        if stat.S_ISREG(found.st_mode):
            wanted &= ~stat.S_IXUSR
        if wanted == mode:
            return False
        path.chmod(wanted)
    except FileNotFoundError:
        return False
    except PermissionError as exc:
        raise ConfigError(f"The mode of {path} can't be changed: {exc.strerror}. Repair: chmod go= {path}") from exc
    return bool(mode & _OTHERS)


def _name_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
