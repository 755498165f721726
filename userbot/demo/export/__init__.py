"""The people of the example export, and the messages that the demo sends.

Everybody here is invented. The dialogues were written for this project and carry its licence (MIT).
"""

from importlib.resources import files
from pathlib import Path

OWNER_ID = 999_000_000_001
OWNER_NAME = "Lev Sokolov"

FRIEND_ID = 999_000_000_011
FRIEND_NAME = "Антон Белов"
"""The friend whom the demo puts on the allow-list; their chat is part of the export."""

STRANGER_NAME = "Игорь Незнамов"
"""Somebody who writes during the demo and is not in the export, so must get no answer."""

EXPORT_PATH = Path(str(files(__name__).joinpath("result.json")))

FLATMATE_ID = 999_000_000_021

PROMPTS = (
    (FRIEND_ID, "Привет! Как твои дела сегодня?"),
    (FRIEND_ID, "Пойдём вечером в кино?"),
    (FLATMATE_ID, "hey! how are you, what are you up to this evening?"),
)
"""Who writes what when base and clone are compared; none of it occurs in the export word for word."""

FRIEND_BURST = (
    "Привет!",
    "Ты уже дома?",
    "Пойдём завтра вечером на скалодром?",
)
"""The bubbles that the scripted friend sends in one burst, to be answered as one turn."""
