"""Train in a process of its own: `python -m training --home FOLDER`. Events go to stdout as JSON lines.

Exit codes are those of `userbot.domain.errors.ExitCode`. WORSE: the adapter is there, but its held-out loss is higher
than that of the one in service.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from training.config import PRESETS, TrainConfig, make_config, read_layer
from training.events import Failed
from training.progress import JsonLines
from training.run.pipeline import resume, train
from userbot.config.settings import Settings, load_settings
from userbot.domain.errors import CloneError, ConfigError, ExitCode
from userbot.store import Store

# Read when torch loads. Threads that spin while they wait for each other starve on a machine that does other work too:
# with two cores and a load of eight, training ran at 153 tokens/s with spinning and at 561 without.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a training and return the exit code."""
    given = _parse(arguments)
    progress = JsonLines(sys.stdout)
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    try:
        settings = load_settings(given.home)
        paths = settings.paths
        if given.resume:
            with Store.open(paths.database) as store:
                manifest = resume(store, paths, progress=progress, should_stop=stop.is_set)
        else:
            config = configure(settings, given)
            with Store.open(paths.database) as store:
                manifest = train(
                    store, config, paths=paths, parent=given.parent, progress=progress, should_stop=stop.is_set
                )
    except CloneError as exc:
        progress.report(Failed(text=str(exc), exit_code=exc.exit_code))
        return exc.exit_code
    return ExitCode.WORSE if manifest.metrics["worse"] else ExitCode.DONE


def configure(settings: Settings, given: argparse.Namespace) -> TrainConfig:
    """Put the configuration together: preset, settings, file, flags; later ones win.

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
    named = [str(layer["preset"]) for layer in layers if layer.get("preset")]
    return make_config(given.preset or (named[-1] if named else "default"), *layers)


def parse_setting(text: str) -> tuple[str, Any]:
    """Read `key=value`; the value is what TOML takes it for, else a text, and None where there is none.

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


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train an adapter.")
    parser.add_argument("--home", type=Path, help="folder of the database and the adapters")
    parser.add_argument("--preset", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--config", type=Path, help="TOML file of training settings")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one training setting")
    parser.add_argument("--base", help="tiny, a hub name or a folder")
    parser.add_argument("--parent", metavar="ID", help="go on from this adapter")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was interrupted")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
