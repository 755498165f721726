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
from userbot.domain.text import CONTACT_MARK, JOINER, LINE_BREAK, OWNER_MARK, break_role_marks, join_bubbles

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

    A turn is all that one side wrote without a break; its messages are lines, and a line break inside a message is
    U+2028. A group never reaches over a chat's end or a silence of six hours; the last one of a conversation may be
    shorter, or longer where the rest of it holds nothing of the owner's. Conversations without a word of the owner's
    give no group. What the owner forwarded or sent through an inline bot is left out, and so is media without text.
    End-of-turn tokens belong to a tokenizer: training adds them.

    Args:
        file_path: A Telegram Desktop export (`result.json` or its folder), of a whole account or one chat.
        user: The owner's name as the export shows it, or his id; None where the export itself says who he is.
        output_format: `dataset` for a `datasets.Dataset`, `dataframe` for a pandas `DataFrame`.

    Raises:
        ConfigError: Unknown `output_format`.
        OwnerUnknownError: No sender is `user`; the text lists the senders with their numbers of messages.
        ExportFormatError: The file is missing, damaged, or no export that is known.
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
            "The article's data set needs the training extra: pip install 'telegram-clone[train]'."
        ) from exc


def make_groups(messages: Iterable[Message]) -> list[str]:
    """Write one chat's messages, oldest first, as groups of five turns."""
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

    Lines before the first mark are the peer's.
    """
    turns = []
    for part in _TURN_START.split(text):
        mine = part.startswith(OWNER_MARK)
        words = part.removeprefix(OWNER_MARK if mine else CONTACT_MARK)
        bubbles = (line.replace(LINE_BREAK, "\n").replace(JOINER, "").strip() for line in words.split("\n"))
        if kept := tuple(bubble for bubble in bubbles if bubble):
            turns.append(Turn(mine, kept))
    return tuple(turns)


def _write(turn: Turn) -> str:
    words = join_bubbles(break_role_marks(bubble) for bubble in turn.bubbles)
    return f"{OWNER_MARK if turn.mine else CONTACT_MARK} {words}"


def _read_chats(path: Path, user: str | None) -> Iterator[Sequence[Message]]:
    """Yield the texts of each chat with people, oldest first."""
    # Parsers are for those who read exports; training from the store needs none.
    from userbot.importers.detection import choose_reader
    from userbot.importers.reading.items import Hints, Truncated
    from userbot.importers.reading.source import Source

    source = Source(path.expanduser())
    try:
        _, reader = choose_reader(source, None)
        found: list[Message] = []
        chat: Chat | None = None
        for item in reader(source, Hints(me=user)):
            if isinstance(item, Chat):
                yield sorted(found, key=_age)
                chat, found = item, []
            elif isinstance(item, list) and chat is not None and chat.kind.is_conversation:
                found += [replace(m, media=None) for m in item if m.text.strip() and not _is_borrowed(m)]
            elif isinstance(item, Truncated):
                log.warning("%s ends early, at byte %d; what was whole is used", path, item.byte)
        yield sorted(found, key=_age)
    except OwnerUnknownError as exc:
        raise OwnerUnknownError(str(exc).replace("--me", "user=")) from exc
    finally:
        source.close()


def _age(message: Message) -> tuple[float, int]:
    return message.sent_at.timestamp(), message.id


def _is_borrowed(message: Message) -> bool:
    return message.origin is not Origin.CONTACT and not message.is_own_words
