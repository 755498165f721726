"""A home folder that others may read is made private; one that they could exchange is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from userbot.config.privacy import protect_home
from userbot.domain.errors import ConfigError

FILES = (
    ".env",
    "clone.db",
    "clone.db-wal",
    "telegram.session",
    "backups/clone-1.db",
    "runs/one/log.jsonl",
    "models/m/w",
)


@pytest.fixture
def open_home(tmp_path: Path) -> Path:
    """Return a home folder that was made with a generous umask."""
    home = tmp_path / "home"
    for name in FILES:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", "utf-8")
        path.chmod(0o644)
    for folder in (home, *home.rglob("*/")):
        folder.chmod(0o777 if folder == home else 0o755)
    return home


def _modes(home: Path) -> set[tuple[bool, int]]:
    return {(path.is_dir(), stat.S_IMODE(path.lstat().st_mode)) for path in (home, *home.rglob("*"))}


def test_modes_are_mended_everywhere_and_told_once(open_home: Path) -> None:
    [note] = protect_home(open_home)
    assert "had access to 13 paths of the home folder" in note
    assert f"{open_home}, .env, backups and 10 more. They include your settings" in note
    assert _modes(open_home) == {(True, 0o700), (False, 0o600)}
    assert protect_home(open_home) == ()


def test_folder_that_its_owner_can_not_enter_is_opened_for_them(open_home: Path) -> None:
    (open_home / "backups").chmod(0o500)
    protect_home(open_home)
    assert stat.S_IMODE((open_home / "backups").stat().st_mode) == 0o700


def test_home_that_is_not_made_yet_is_fine(tmp_path: Path) -> None:
    assert protect_home(tmp_path / "a" / "home") == ()


@pytest.mark.parametrize(("mode", "repair"), [(0o770, "g-w"), (0o777, "o-w"), (0o702, "o-w")])
def test_folder_in_which_others_can_exchange_the_home_is_refused(open_home: Path, mode: int, repair: str) -> None:
    open_home.parent.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        protect_home(open_home)
    assert str(caught.value).endswith(f"({mode:o}), who could put another one in its place. "
                                      f"Repair: chmod {repair} {open_home.parent}")  # fmt: skip


def test_sticky_folder_may_hold_a_home(open_home: Path) -> None:
    open_home.parent.chmod(0o1777)
    assert len(protect_home(open_home)) == 1


def test_link_is_followed_to_a_home_in_a_private_place_only(open_home: Path, tmp_path: Path) -> None:
    link = tmp_path / "links" / "home"
    link.parent.mkdir(mode=0o700)
    link.symlink_to(open_home)
    assert len(protect_home(link)) == 1
    open_home.parent.chmod(0o777)
    with pytest.raises(ConfigError, match=f"chmod o-w {open_home.parent}"):
        protect_home(link)


def test_links_inside_are_not_followed(open_home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch(mode=0o644)
    outside.chmod(0o644)
    (open_home / "models" / "cache").symlink_to(outside)
    protect_home(open_home)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["", "clone.db", "backups/clone-1.db"])
def test_what_belongs_to_somebody_else_is_refused_with_the_repair(open_home: Path, name: str) -> None:
    os.chown(open_home / name, 65534, -1)
    with pytest.raises(
        ConfigError, match=f"{open_home / name} belongs to nobody, not to you. Repair: sudo chown -h root"
    ):
        protect_home(open_home)


def test_file_in_place_of_the_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(ConfigError, match="is not a folder"):
        protect_home(tmp_path / "home")
