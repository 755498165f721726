"""Builds result.json, the example export, from the dialogues: `python -m userbot.demo.export.build`.

The shape is that of a full-account JSON export of Telegram Desktop 4.16 or newer.
"""

import json
import re
from datetime import datetime, timedelta, timezone

from userbot.demo.export import EXPORT_PATH, OWNER_ID, OWNER_NAME
from userbot.demo.export.source import Bubble, Dialogue, load_dialogues

_ABOUT = "An example in the form of a Telegram Desktop export. Every person and every message in it is invented."
_NOT_INCLUDED = "(File not included. Change data exporting settings to download.)"
_LINK = re.compile(r"(https?://\S+)")
_ZONE = timezone(timedelta(hours=4))
_FIRST_MESSAGE_ID = 20_001
_EDITED_AFTER = timedelta(seconds=20)

Row = dict[str, object]


def render_export() -> str:
    """Return the text of result.json; the same dialogues always give the same text."""
    dialogues = load_dialogues()
    ids = _number_bubbles(dialogues)
    first, last = OWNER_NAME.split(" ")
    export: Row = {
        "about": _ABOUT,
        "personal_information": {"user_id": OWNER_ID, "first_name": first, "last_name": last, "bio": "чай и скалы)))"},
        "chats": {
            "about": _ABOUT,
            "list": [_render_chat(dialogue, ids[place]) for place, dialogue in enumerate(dialogues)],
        },
    }
    return json.dumps(export, ensure_ascii=False, indent=1) + "\n"


def _number_bubbles(dialogues: list[Dialogue]) -> list[list[int]]:
    """Number all bubbles by time: outside supergroups, one account counts its messages over all chats."""
    places = [
        (bubble.at, chat, row) for chat, dialogue in enumerate(dialogues) for row, bubble in enumerate(dialogue.bubbles)
    ]
    ids = [[0] * len(dialogue.bubbles) for dialogue in dialogues]
    for number, (_, chat, row) in enumerate(sorted(places), _FIRST_MESSAGE_ID):
        ids[chat][row] = number
    return ids


def _render_chat(dialogue: Dialogue, ids: list[int]) -> Row:
    rows = [_render_bubble(dialogue, ids, row) for row in range(len(ids))]
    head: Row = {"type": dialogue.kind, "id": dialogue.chat_id, "messages": rows}
    if dialogue.kind == "saved_messages":
        return head
    # Telegram Desktop names a personal chat by the first name alone, and its messages by the full name.
    name = dialogue.contact_name.split(" ")[0] if dialogue.kind == "personal_chat" else dialogue.contact_name
    return {"name": name, **head}


def _render_bubble(dialogue: Dialogue, ids: list[int], row: int) -> Row:
    bubble = dialogue.bubbles[row]
    name, user_id = (OWNER_NAME, OWNER_ID) if bubble.from_owner else (dialogue.contact_name, dialogue.chat_id)
    kind = "service" if bubble.action else "message"
    head: Row = {"id": ids[row], "type": kind, **_render_time("date", bubble.at)}
    if bubble.action:
        head |= {"actor": name, "actor_id": f"user{user_id}", "action": bubble.action, **_read_details(bubble.value)}
    else:
        if bubble.tag == "edited":
            head |= _render_time("edited", bubble.at + _EDITED_AFTER)
        head |= {"from": name, "from_id": f"user{user_id}"}
        if bubble.tag == "reply":
            head["reply_to_message_id"] = ids[row - int(bubble.value)]
        head |= _render_attachment(bubble)
    return head | _render_text(bubble.text)


def _render_time(key: str, at: datetime) -> Row:
    return {key: at.isoformat(), f"{key}_unixtime": str(int(at.replace(tzinfo=_ZONE).timestamp()))}


def _read_details(details: str) -> Row:
    pairs = (pair.split("=") for pair in details.split())
    return {key: int(value) if value.isdecimal() else value for key, value in pairs}


def _render_attachment(bubble: Bubble) -> Row:
    match bubble.tag:
        case "forwarded":
            return {"forwarded_from": bubble.value}
        case "photo":
            return {"photo": _NOT_INCLUDED, "photo_file_size": 148_213, "width": 960, "height": 1280}
        case "sticker":
            return {
                "file": _NOT_INCLUDED,
                "file_name": "sticker.webp",
                "thumbnail": _NOT_INCLUDED,
                "media_type": "sticker",
                "sticker_emoji": bubble.value,
                "width": 512,
                "height": 512,
            }
        case "voice":
            voice: Row = {"file": _NOT_INCLUDED, "file_name": "", "media_type": "voice_message"}
            return voice | {"mime_type": "audio/ogg", "duration_seconds": int(bubble.value)}
        case _:
            return {}


def _render_text(text: str) -> Row:
    """Return the two forms in which an export holds a text; links are the only formatting known here."""
    parts = [part for part in _LINK.split(text) if part]
    entities = [{"type": "link" if _LINK.fullmatch(part) else "plain", "text": part} for part in parts]
    if all(entity["type"] == "plain" for entity in entities):
        return {"text": text, "text_entities": entities}
    return {
        "text": [entity["text"] if entity["type"] == "plain" else entity for entity in entities],
        "text_entities": entities,
    }


if __name__ == "__main__":
    EXPORT_PATH.write_text(render_export(), encoding="utf-8")
