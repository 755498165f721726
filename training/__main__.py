"""Train in a process of its own: `python -m training --home FOLDER`. Events go to stdout, one line of JSON each.

Exit codes are those of `userbot.domain.errors.ExitCode`. WORSE: the adapter was made, but its held-out loss is higher
than that of the active adapter. SIGINT and SIGTERM write a checkpoint and end the run.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import tomllib
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from training.config import PRESETS, TrainConfig, make_config, read_layer
from training.events import Failed
from training.progress import JsonLines, Progress
from training.run.pipeline import resume, train
from userbot.config.former_names import FormerNameWarning
from userbot.config.privacy import protect_home
from userbot.config.process import harden_process
from userbot.config.settings import Settings, find_home, load_settings
from userbot.domain.errors import CloneError, ConfigError, ExitCode
from userbot.store import Store
from userbot.store.adapters import Manifest

# Read when torch loads. Threads that spin while they wait for each other starve on a machine that does other work too:
# with two cores and a load of eight, training ran at 153 tokens/s with spinning and at 561 without.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a training.

    Args:
        arguments: Of the command line; None takes the process's own.

    Returns:
        The exit code.
    """
    harden_process()
    given = _parse(arguments)
    progress = JsonLines(sys.stdout)
    stop = threading.Event()

    def request_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request_stop)
    try:
        manifest = _run(given, progress, stop)
    except CloneError as exc:
        progress.report(Failed(text=str(exc), exit_code=exc.exit_code))
        return exc.exit_code
    return ExitCode.WORSE if manifest.metrics["worse"] else ExitCode.DONE


def configure(settings: Settings, given: argparse.Namespace) -> tuple[TrainConfig, tuple[str, ...]]:
    """Put the configuration together: preset, settings, file, flags; later ones win.

    Args:
        settings: Of the home folder.
        given: The flags.

    Returns:
        The configuration, and lines about training settings that were given under former names.

    Raises:
        ConfigError: A name or a value is wrong.
    """
    layers: list[dict[str, Any]] = [{"base": settings.base}] if settings.base else []
    layers.append(settings.train)
    if given.config:
        layers.append(read_layer(given.config))
    layers.append(dict(map(parse_setting, given.set)))
    if given.base:
        layers.append({"base": given.base})
    presets = [str(layer["preset"]) for layer in layers if layer.get("preset")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FormerNameWarning)
        config = make_config(given.preset or (presets[-1] if presets else "default"), *layers)
    return config, tuple(str(each.message) for each in caught if issubclass(each.category, FormerNameWarning))


def parse_setting(text: str) -> tuple[str, Any]:
    """Read `key=value`.

    Args:
        text: As it was written after `--set`.

    Returns:
        The key, and the value as TOML reads it; else as a text, and None where it is empty.

    Raises:
        ConfigError: There is no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"{text!r} is no setting: write --set NAME=VALUE, such as --set epochs=2")
    if not value.strip():
        return key.strip(), None
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def _run(given: argparse.Namespace, progress: Progress, stop: threading.Event) -> Manifest:
    protect_home(find_home(given.home))
    settings = load_settings(given.home)
    paths = settings.paths
    if given.resume:
        with Store.open(paths.database) as store:
            return resume(store, paths, progress=progress, should_stop=stop.is_set)
    config, notes = configure(settings, given)
    with Store.open(paths.database) as store:
        return train(
            store,
            config,
            paths=paths,
            parent=given.parent,
            notes=notes,
            progress=progress,
            should_stop=stop.is_set,
        )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train an adapter.")
    parser.add_argument("--home", type=Path, help="folder of the database and the adapters")
    parser.add_argument("--preset", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--config", type=Path, help="TOML file of training settings")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one training setting")
    parser.add_argument("--base", help="tiny, a hub name or a folder")
    parser.add_argument("--parent", metavar="ID", help="continue from this adapter")
    parser.add_argument("--resume", action="store_true", help="continue the run that was interrupted")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
