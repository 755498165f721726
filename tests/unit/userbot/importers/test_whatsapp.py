"""WhatsApp's text export, in many languages and countries."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fixtures.exports.loading import WHATSAPP, load
from sqlalchemy import text

from userbot.domain.errors import OwnerUnknownError
from userbot.domain.messages import ChatKind, Origin
from userbot.importers import import_file
from userbot.store import Store
from userbot.store.facts import OWNER_NAME

ANDROID = WHATSAPP / "WhatsApp Chat with Anna.txt"


def local(*parts: int) -> datetime:
    return datetime(*parts).astimezone(UTC)  # type: ignore[arg-type]  # mypy can't count the parts


def test_whatsapp_android_in_english_with_half_days(store: Store) -> None:
    summary, messages = load(store, ANDROID)
    assert (summary.format, summary.owner_name) == ("whatsapp", "Olga")
    assert summary.chats[0].chat.title == "Anna"
    assert summary.chats[0].chat.kind is ChatKind.PRIVATE
    assert summary.chats[0].chat.id >= 2**61
    assert [(m.origin, m.content) for m in messages[:5]] == [
        (Origin.CONTACT, "Hi, are you there?"),
        (Origin.OWNER, "yes"),
        (Origin.OWNER, "yes"),
        (Origin.OWNER, "two\nlines: of text"),
        (Origin.CONTACT, "[media]"),
    ]
    assert [m.content for m in messages[5:]] == [
        "[photo] look at this",
        "nice",
        "[location]",
        "[poll: Who comes?]",
        "[contact]",
        "Here: 12/31/23, 9:41 PM - not a line",
    ]
    assert messages[0].sent_at == local(2023, 12, 29, 21, 41)
    assert messages[4].sent_at == local(2023, 12, 30, 0, 5)
    assert messages[-1].sent_at == local(2024, 1, 2, 8, 5)
    assert dict(summary.skipped) == {"system line": 1, "deleted message": 1}


@pytest.mark.parametrize(
    ("name", "owner", "contents"),
    [
        ("Чат WhatsApp с контактом Анна.txt", "Ольга", ["Привет", "привет)", "[media]"]),
        ("WhatsApp-Chat mit Anna.txt", "Olga", ["Hallo", "hi", "[media]", "[voice]"]),
    ],
)
def test_whatsapp_in_other_languages(store: Store, name: str, owner: str, contents: list[str]) -> None:
    summary, messages = load(store, WHATSAPP / name)
    assert summary.owner_name == owner
    assert [message.content for message in messages] == contents
    assert messages[0].sent_at == local(2023, 12, 29, 21, 41)


def test_whatsapp_ios_group_with_marks_and_notices(store: Store) -> None:
    summary, messages = load(store, WHATSAPP / "ios_group_chat.txt", me="Olga")
    assert summary.chats[0].chat.kind is ChatKind.GROUP
    assert [(m.sender_name, m.content) for m in messages] == [
        ("Anna", "Hi all"),
        ("Boris", "hello\nsecond line"),
        ("Olga", "[photo]"),
        ("Anna", "[voice]"),
        ("Anna", "[sticker]"),
        ("Olga", "fine"),
    ]
    assert messages[0].sent_at == local(2024, 2, 3, 21, 41, 9)
    assert dict(summary.skipped) == {"system line": 2}


def test_whatsapp_order_of_day_and_month_is_read_off_the_dates(store: Store) -> None:
    _, messages = load(store, WHATSAPP / "ios_us_chat.txt", me="Olga")
    assert [m.sent_at for m in messages] == [local(2024, 2, 13, 21, 41, 9), local(2024, 2, 14, 0, 0, 10)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("03/04/2023, 10:00 - A: x\n04/04/2023, 10:00 - B: y\n01/05/2023, 10:00 - B: z", (2023, 4, 3, 10, 0)),
        ("03/30/2023, 10:00 - A: x\n04/01/2023, 10:00 - B: y", (2023, 3, 30, 10, 0)),
        ("2023-04-03, 10:00 - A: x\n2023-04-04, 10:00 - B: y", (2023, 4, 3, 10, 0)),
        ("[2023/04/03 10:00:01] A: x\n[2023/04/04 10:00:01] B: y", (2023, 4, 3, 10, 0, 1)),
        ("03/04/2023 10:00 - A: x\n04/04/2023 10:00 - B: y", (2023, 4, 3, 10, 0)),
        ("3.4.2023 klo 10.00 - A: x\n4.4.2023 klo 10.00 - B: y", (2023, 4, 3, 10, 0)),
        ("3/4/23, 10:00 p. m. - A: x\n13/4/23, 10:00 p. m. - B: y", (2023, 4, 3, 22, 0)),
    ],
)
def test_whatsapp_dates_of_many_countries(store: Store, tmp_path: Path, lines: str, expected: tuple[int, ...]) -> None:
    path = tmp_path / "chat.txt"
    path.write_text(lines, encoding="utf-8")
    _, messages = load(store, path, me="A")
    assert messages[0].sent_at == local(*expected)
    assert messages[0].text == "x"


def test_whatsapp_zip_is_named_after_its_chat(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat - Anna.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(WHATSAPP / "ios_us_chat.txt", "_chat.txt")
        archive.writestr("00000001-PHOTO-2024.jpg", b"no picture")
    summary, messages = load(store, path)
    assert (summary.owner_name, summary.chats[0].chat.title, len(messages)) == ("Olga", "Anna", 2)


def test_whatsapp_chat_that_ends_within_a_character_ends_early(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat with Anna.txt"
    path.write_bytes("29.12.2023, 21:41 - Anna: Привет\n29.12.2023, 21:42 - Olga: здравствуй".encode()[:-1])
    summary, messages = load(store, path)
    assert summary.truncated_after == f"after 1 message, at byte {path.stat().st_size}"
    assert [m.text for m in messages] == ["Привет"]


def test_whatsapp_chat_without_a_last_line_break_is_doubted(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat with Anna.txt"
    whole = "29.12.2023, 21:41 - Anna: Hi\n29.12.2023, 21:42 - Olga: good evening\n"
    path.write_text(whole[:-4], "utf-8")
    summary, messages = load(store, path)
    assert [m.text for m in messages] == ["Hi", "good even"]
    assert summary.truncated_after is None
    [warning] = summary.warnings
    assert warning.startswith("WhatsApp Chat with Anna.txt ends without a line break, as a file does that was cut")
    path.write_text(whole, "utf-8")
    assert import_file(store, path).warnings == ()


def test_whatsapp_overlap_adds_only_what_is_new(store: Store, tmp_path: Path) -> None:
    assert import_file(store, ANDROID).added == 11
    copy = tmp_path / "WhatsApp Chat with Anna (1).txt"
    lines = ANDROID.read_text(encoding="utf-8").splitlines()
    copy.write_text("\n".join([*lines[2:], "1/3/24, 8:05 AM - Olga: new"]), encoding="utf-8")
    again = import_file(store, copy)
    assert (again.added, again.known) == (1, 10)


def test_whatsapp_owner_is_asked_for_with_masked_numbers(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("03/04/2023, 10:00 - +49 170 1234567: x\n04/04/2023, 10:00 - B: y", encoding="utf-8")
    with pytest.raises(OwnerUnknownError) as caught:
        import_file(store, path)
    assert str(caught.value) == (
        f"{path}: nothing in this export says which sender is you. "
        f"Name yourself with --me NAME; the senders are +49…67 (1), B (1)."
    )


def test_known_owner_name_is_taken_where_it_fits(store: Store) -> None:
    store.facts.set(OWNER_NAME, "Olga")
    assert import_file(store, WHATSAPP / "ios_group_chat.txt").owner_name == "Olga"


def test_folder_of_whatsapp_chats_leaves_other_texts_out(store: Store, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no chat", encoding="utf-8")
    for name in ("Anna", "Boris"):
        path = tmp_path / f"WhatsApp Chat with {name}.txt"
        path.write_text(f"03/04/2023, 10:00 - {name}: x\n14/04/2023, 10:00 - Olga: y", encoding="utf-8")
    summary, messages = load(store, tmp_path)
    assert [row.chat.title for row in summary.chats] == ["Anna", "Boris"]
    assert len(messages) == 4


SAID = ("are you home", "yes", "did you eat", "soup", "any left", "half a pot", "coming")


def _write_minute(folder: Path, *texts: str, name: str = "WhatsApp Chat with Nora.txt") -> Path:
    """Write a chat in which everything was said within one minute, the contact first."""
    folder.mkdir(exist_ok=True)
    sides = ("Nora", "Tom")
    lines = [f"15/01/2024, 10:30 - {sides[SAID.index(said) % 2]}: {said}" for said in texts]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder / name


def test_messages_of_one_minute_keep_the_order_of_the_file(store: Store, tmp_path: Path) -> None:
    _, messages = load(store, _write_minute(tmp_path / "all", *SAID))
    assert [m.text for m in messages] == list(SAID)
    assert {m.sent_at.replace(second=0, microsecond=0) for m in messages} == {local(2024, 1, 15, 10, 30)}


def test_export_that_begins_within_the_minute_adds_to_the_order_and_changes_none(store: Store, tmp_path: Path) -> None:
    load(store, _write_minute(tmp_path / "all", *SAID[:5]))
    summary, messages = load(store, _write_minute(tmp_path / "rest", *SAID[2:]))
    assert (summary.added, summary.known) == (2, 3)
    assert [m.text for m in messages if m.text in SAID[:5]] == list(SAID[:5])


def test_store_filled_without_an_order_is_mended_by_importing_again(store: Store, tmp_path: Path) -> None:
    path = _write_minute(tmp_path / "all", *SAID)
    _, messages = load(store, path)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE messages SET sent_at = sent_at - sent_at % 60000"))
    assert store.messages.shuffled_chats() == [messages[0].chat_id]
    summary, messages = load(store, path)
    assert (summary.added, [m.text for m in messages]) == (0, list(SAID))
    assert store.messages.shuffled_chats() == []
