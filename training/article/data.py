"""The article's first function: a Telegram export to groups of five turns, in one call and without a store."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from userbot.domain.errors import ConfigError, MissingExtraError, OwnerUnknownError, TooLittleDataError
from userbot.domain.messages import Chat, Message, Origin, Turn, fold_turns, split_sessions
from userbot.domain.text import CONTACT_MARK, OWNER_MARK, break_role_marks, join_bubbles, split_bubbles

if TYPE_CHECKING:
    import pandas as pd

COLUMN = "prompt"
GROUP_TURNS = 5

_TURN_START = re.compile(rf"^(?={re.escape(CONTACT_MARK)}|{re.escape(OWNER_MARK)})", re.MULTILINE)

log = logging.getLogger(__name__)


@overload
def process_tg_data(
    file_path: str | Path, user: str | None = None, output_format: Literal["dataset"] = "dataset"
) -> Any: ...
@overload
def process_tg_data(
    file_path: str | Path, user: str | None = None, *, output_format: Literal["dataframe"]
) -> pd.DataFrame: ...
@overload
def process_tg_data(file_path: str | Path, user: str | None, output_format: Literal["dataframe"]) -> pd.DataFrame: ...
def process_tg_data(
    file_path: str | Path, user: str | None = None, output_format: Literal["dataset", "dataframe"] = "dataset"
) -> Any:
    """Read an export into one column, `prompt`: groups of five turns as `User: …` and `Clone: …` lines.

    A turn is everything that one side wrote in a row; its messages are lines, and a line break inside a message is
    U+2028. A group never extends over the end of a chat or a silence of six hours. The last one of a conversation may
    be shorter, or longer where the remaining turns hold nothing of the owner's. Conversations without a word of the
    owner's give no group. What the owner forwarded or sent through an inline bot is left out, and so is media without
    text. End-of-turn tokens depend on the tokenizer: training adds them.

    Args:
        file_path: A Telegram Desktop export (`result.json` or its folder), of a whole account or one chat.
        user: The owner's name as the export shows it, or their id; None where the export itself names the owner.
        output_format: `dataset` for a `datasets.Dataset`, `dataframe` for a pandas `DataFrame`.

    Returns:
        One row per group, in the format asked for.

    Raises:
        ConfigError: Unknown `output_format`.
        OwnerUnknownError: No sender is `user`; the text lists the senders with their numbers of messages.
        ExportFormatError: The file is missing, damaged, or of an unknown format.
        TooLittleDataError: The owner wrote nothing in it.
        MissingExtraError: The training extra is not installed.
    """
    if output_format not in ("dataset", "dataframe"):
        raise ConfigError(f"Unknown output_format {output_format!r}: give 'dataset' or 'dataframe'.")
    rows = [row for messages in _read_chats(Path(file_path), user) for row in make_groups(messages)]
    if not rows:
        raise TooLittleDataError(
            f"{file_path} holds no text of the owner's in a chat with people. Export personal chats as JSON, or give "
            f"the owner's name as `user`."
        )
    try:
        if output_format == "dataframe":
            import pandas as pd

            return pd.DataFrame({COLUMN: rows})
        import datasets

        return datasets.Dataset.from_dict({COLUMN: rows})
    except ImportError as exc:
        raise MissingExtraError(
            "The article's data set needs the extra `train`: pip install '.[train]' in the program's folder."
        ) from exc


def make_groups(messages: Iterable[Message]) -> list[str]:
    """Write one chat's messages as groups of five turns.

    Args:
        messages: All messages of the chat, oldest first.

    Returns:
        Groups with at least one owner turn, as `User: …` and `Clone: …` lines.
    """
    groups = []
    for session in split_sessions(messages):
        turns = fold_turns(session)
        starts = range(0, len(turns), GROUP_TURNS)
        parts = [turns[start : start + GROUP_TURNS] for start in starts]
        while len(parts) > 1 and not any(turn.mine for turn in parts[-1]):
            parts[-2:] = [parts[-2] + parts[-1]]
        groups += ["\n".join(_write(turn) for turn in part) for part in parts if any(turn.mine for turn in part)]
    return groups


def parse_prompt(text: str) -> tuple[Turn, ...]:
    """Read `User: …` and `Clone: …` lines, such as a row of `process_tg_data`, back into turns.

    Args:
        text: The lines; those before the first mark are the contact's.

    Returns:
        Turns with at least one bubble each, oldest first.
    """
    turns = []
    for part in _TURN_START.split(text):
        mine = part.startswith(OWNER_MARK)
        words = part.removeprefix(OWNER_MARK if mine else CONTACT_MARK)
        if bubbles := split_bubbles(words):
            turns.append(Turn(mine, bubbles))
    return tuple(turns)


def _write(turn: Turn) -> str:
    words = join_bubbles(break_role_marks(bubble) for bubble in turn.bubbles)
    return f"{OWNER_MARK if turn.mine else CONTACT_MARK} {words}"


def _read_chats(path: Path, user: str | None) -> Iterator[Sequence[Message]]:
    """Yield the texts of each chat with people, oldest first."""
    # Imported here, because training from the store needs no parser.
    from userbot.importers.reading.items import Hints, Truncated
    from userbot.importers.reading.source import Source
    from userbot.importers.units import list_units

    source = Source(path.expanduser())
    try:
        units = list_units(source, None).units
        items = (item for unit in units for item in unit.reader(source.restrict(unit.parts, None), Hints(me=user)))
        messages: list[Message] = []
        chat: Chat | None = None
        for item in items:
            if isinstance(item, Chat):
                yield sorted(messages, key=_age)
                chat, messages = item, []
            elif isinstance(item, list) and chat is not None and chat.kind.is_conversation:
                messages += [replace(m, media=None) for m in item if m.text.strip() and not _is_borrowed(m)]
            elif isinstance(item, Truncated):
                log.warning("%s ends early, at byte %d; the complete messages are used", path, item.byte)
        yield sorted(messages, key=_age)
    except OwnerUnknownError as exc:
        raise OwnerUnknownError(str(exc).replace("--me", "user=")) from exc
    finally:
        source.close()


def _age(message: Message) -> tuple[float, int]:
    return message.sent_at.timestamp(), message.id


def _is_borrowed(message: Message) -> bool:
    return message.origin is not Origin.CONTACT and not message.is_own_words
