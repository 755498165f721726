"""Exports of other messengers and in HTML, read from small invented files."""

from __future__ import annotations

import json
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from userbot.domain.errors import ExportFormatError, OwnerUnknownError
from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.domain.plural import format_count
from userbot.importers import ImportSummary, import_file
from userbot.store import Store
from userbot.store.facts import OWNER_NAME

EXPORTS = Path(__file__).parents[3] / "support" / "fixtures" / "exports"
WHATSAPP = EXPORTS / "whatsapp"
ANDROID = WHATSAPP / "WhatsApp Chat with Anna.txt"


def load(store: Store, path: Path, **options: Any) -> tuple[ImportSummary, list[Message]]:
    summary = import_file(store, path, **options)
    return summary, [message for row in summary.chats for message in store.messages.history(row.chat.id)]


def local(*parts: int) -> datetime:
    return datetime(*parts).astimezone(UTC)  # type: ignore[arg-type]  # mypy can't count the parts


# --- WhatsApp


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


# --- HTML


@pytest.mark.parametrize("path", [EXPORTS / "html", EXPORTS / "html" / "messages.html"])
def test_html_pages_are_one_chat(store: Store, path: Path) -> None:
    summary, messages = load(store, path, me="Olga Test")
    assert summary.format == "telegram-html"
    assert [(m.id, m.origin, m.content) for m in messages] == [
        (2, Origin.CONTACT, "Hi & welcome\nsecond line"),
        (3, Origin.CONTACT, "joined one"),
        (4, Origin.OWNER, "my words"),
        (5, Origin.OWNER, "[gif]"),
        (6, Origin.OWNER, "somebody else's"),
        (7, Origin.OWNER, "on the next page"),
        (8, Origin.CONTACT, "[voice 0:07]"),
        (9, Origin.CONTACT, "😀"),
        (10, Origin.CONTACT, "[file plan.pdf]"),
        (11, Origin.CONTACT, "[contact]"),
        (12, Origin.CONTACT, "[poll: Who comes?]"),
    ]
    assert messages[0].sent_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert [m.id for m in messages if m.reply_to_id] == [4]
    assert messages[2].reply_to_id == 2
    assert [m.id for m in messages if m.via_bot] == [5]
    assert [m.id for m in messages if m.forwarded] == [6]
    assert dict(summary.skipped) == {"service message": 1}
    assert import_file(store, path, me="Olga Test").added == 0


def test_html_page_does_not_make_the_clones_words_the_owners(store: Store) -> None:
    store.chats.save([Chat(id=101, kind=ChatKind.PRIVATE, title="Pavel")])
    sent_at = datetime(2023, 11, 14, 22, 14, tzinfo=UTC)
    for number, text in ((4, "my  words "), (7, "other words")):
        store.messages.add([Message(chat_id=101, id=number, origin=Origin.CLONE, sent_at=sent_at, text=text)])
    summary, messages = load(store, EXPORTS / "html", me="Olga Test")
    assert [m.id for m in messages if m.origin is Origin.CLONE] == [4]
    assert [m.id for m in messages if m.origin is Origin.OWNER] == [5, 6, 7]
    assert summary.chats[0].counts == {Origin.CONTACT: 7, Origin.OWNER: 3, Origin.CLONE: 1}


def test_html_chats_can_never_be_answered(store: Store) -> None:
    summary = import_file(store, EXPORTS / "html", me="Olga Test")
    assert summary.chats[0].chat.source == "telegram-html"


def test_html_page_that_ends_early_gives_what_is_whole(store: Store, tmp_path: Path) -> None:
    shutil.copytree(EXPORTS / "html", tmp_path, dirs_exist_ok=True)
    page = tmp_path / "messages2.html"
    raw = page.read_bytes()
    page.write_bytes(raw[: raw.index(b"Who comes?") + 3])
    summary, messages = load(store, tmp_path, me="Olga Test")
    assert summary.truncated_after == f"after 10 messages, at byte {page.stat().st_size} of messages2.html"
    assert [m.id for m in messages] == list(range(2, 12)), "the poll, in which it ends, comes whole with another export"
    page.write_bytes(raw)
    again = import_file(store, tmp_path, me="Olga Test")
    assert (again.truncated_after, again.added, again.warnings) == (None, 1, ())


def test_html_page_that_is_not_there_is_missed(store: Store, tmp_path: Path) -> None:
    shutil.copytree(EXPORTS / "html", tmp_path, dirs_exist_ok=True)
    page = tmp_path / "messages2.html"
    link = '<a class="pagination block_link" href="messages{}.html">Messages</a>\n</body>'
    for number in (3, ""):
        page.write_text(page.read_text("utf-8").replace("</body>", link.format(number)), "utf-8")
    summary = import_file(store, tmp_path, me="Olga Test")
    assert summary.messages == 11
    [warning] = summary.warnings
    assert warning.startswith("Pavel: messages3.html is not there, so its messages are missing. Put the page beside")


@pytest.mark.parametrize("html_first", [True, False])
def test_chat_in_html_and_in_json_is_told_to_be_there_twice(store: Store, tmp_path: Path, html_first: bool) -> None:
    rows = [
        {"id": number, "type": "message", "date": "x", "from": name, "from_id": sender, "text": "t"}
        | {"date_unixtime": str(1700000000 + 10 * number)}
        for number, (name, sender) in enumerate([("Pavel Probe", "user5"), ("Olga Test", "user9")], 2)
    ]
    rows[0]["date_unixtime"] = "1700000000"  # as in the page; the other one is another message
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"name": "Pavel", "type": "personal_chat", "id": 5, "messages": rows}))
    imports = [(EXPORTS / "html", "Olga Test"), (path, None)]
    first, second = [import_file(store, where, me=me) for where, me in (imports if html_first else imports[::-1])]
    page = next(chat.id for chat in store.chats.all() if chat.source == "telegram-html")
    assert first.warnings == ()
    [warning] = second.warnings
    assert warning.startswith(
        f"Pavel Probe is stored twice, with 1 message in common: as 5, and from HTML as {page}. Record consent for one"
    )


def test_html_account_tells_the_owner_as_the_one_in_most_chats(store: Store, tmp_path: Path) -> None:
    page = (EXPORTS / "html" / "messages.html").read_text(encoding="utf-8")
    for number, contact in enumerate(("Pavel Probe", "Rita", "Zed"), 1):
        folder = tmp_path / "chats" / f"chat_{number:03}"
        folder.mkdir(parents=True)
        (folder / "messages.html").write_text(
            page.replace("Pavel Probe", contact).replace("\nPavel\n", f"\n{contact}\n")
        )
    summary, _ = load(store, tmp_path)
    assert summary.owner_name == "Olga Test"
    assert sorted(row.chat.title for row in summary.chats) == ["Pavel Probe", "Rita", "Zed"]


def test_time_beyond_the_calendar_costs_its_row_only(store: Store, tmp_path: Path) -> None:
    row = {"type": "message", "date": "x", "from": "Pavel", "from_id": "user5", "text": "hi"}
    times = {1: "1700000000", 2: "253402300800", 3: "1700000001"}
    rows = [{"id": number, **row, "date_unixtime": time} for number, time in times.items()]
    path = tmp_path / "result.json"
    for indent in (1, None):
        path.write_text(json.dumps({"name": "P", "type": "personal_chat", "id": 5, "messages": rows}, indent=indent))
        assert [message.id for message in load(store, path)[1]] == [1, 3]


# --- Instagram and Messenger


@pytest.mark.parametrize("zipped", [False, True])
def test_instagram_folder_or_zip(store: Store, tmp_path: Path, zipped: bool) -> None:
    path = EXPORTS / "instagram"
    if zipped:
        with zipfile.ZipFile(tmp_path / "instagram.zip", "w") as archive:
            for file in path.rglob("*.json"):
                archive.write(file, file.relative_to(path))
        path = tmp_path / "instagram.zip"
    summary, _ = load(store, path)
    assert (summary.format, summary.owner_name) == ("instagram", "Olga")
    by_title = {row.chat.title: row.chat for row in summary.chats}
    assert {title: chat.kind for title, chat in by_title.items()} == {
        "Анна": ChatKind.PRIVATE,
        "crew": ChatKind.GROUP,
    }
    assert [(m.origin, m.content) for m in store.messages.history(by_title["Анна"].id)] == [
        (Origin.CONTACT, "[voice 0:07]"),
        (Origin.OWNER, "привет"),
        (Origin.CONTACT, "смотри 😀"),
        (Origin.OWNER, "[photo]"),
        (Origin.CONTACT, "[link]"),
    ]
    assert [m.sender_name for m in store.messages.history(by_title["crew"].id)] == ["Olga", "Boris"]
    assert dict(summary.skipped) == {"reaction": 1, "deleted message": 1}
    assert import_file(store, path).added == 0


def test_instagram_single_file_tells_the_owner_by_its_title(store: Store) -> None:
    path = EXPORTS / "instagram" / "your_instagram_activity" / "messages" / "inbox" / "anna_1" / "message_1.json"
    summary = import_file(store, path)
    assert (summary.format, summary.owner_name, summary.added) == ("instagram", "Olga", 3)


def test_messenger_in_its_old_and_its_encrypted_form(store: Store) -> None:
    summary, messages = load(store, EXPORTS / "messenger" / "inbox")
    assert (summary.format, [m.content for m in messages]) == ("messenger", ["how are you — ok?", "fine"])
    assert dict(summary.skipped) == {"service message": 1}
    summary, messages = load(store, EXPORTS / "messenger" / "Pavel_4.json")
    assert (summary.format, summary.owner_name) == ("messenger", "Olga")
    assert [(m.origin, m.content) for m in messages] == [(Origin.CONTACT, "Тест 😀"), (Origin.OWNER, "[photo]")]


# --- Discord


def test_discord_direct_messages(store: Store) -> None:
    summary, messages = load(store, EXPORTS / "discord" / "direct.json")
    assert (summary.format, summary.owner_name) == ("discord", "olga")
    assert [(m.id, m.origin, m.content, m.reply_to_id) for m in messages] == [
        (1001, Origin.CONTACT, "hi", None),
        (1002, Origin.OWNER, "hello", 1001),
        (1003, Origin.CONTACT, "[file plan.pdf]", None),
        (1005, Origin.OWNER, "[sticker Wave]", None),
    ]
    assert messages[1].edited_at == datetime(2023, 11, 14, 22, 15, tzinfo=UTC)
    assert dict(summary.skipped) == {"service message": 1}


def test_discord_server_channel(store: Store) -> None:
    summary, messages = load(store, EXPORTS / "discord" / "server.json", me="olga")
    assert (summary.chats[0].chat.title, summary.chats[0].chat.kind) == ("Test Server: general", ChatKind.GROUP)
    assert [m.sender_name for m in messages] == ["pavel", "olga", "helper", "rita"]


@pytest.mark.parametrize(
    ("path", "after"),
    [
        (EXPORTS / "discord" / "direct.json", b'"id": "1003"'),
        (EXPORTS / "messenger" / "inbox" / "pavel_3" / "message_1.json", b'"how are you'),
    ],
)
def test_truncated_json_gives_what_is_whole(store: Store, tmp_path: Path, path: Path, after: bytes) -> None:
    raw = path.read_bytes()
    raw = raw[: raw.index(after)]
    torn = tmp_path / "torn.json"
    torn.write_bytes(raw)
    me = "olga" if "discord" in str(path) else "Olga"
    summary = import_file(store, torn, me=me)
    assert summary.truncated_after == f"after {format_count(summary.messages, 'message')}, at byte {len(raw)}"
    assert summary.messages > 0


def test_folder_of_whatsapp_chats_leaves_other_texts_out(store: Store, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no chat", encoding="utf-8")
    for name in ("Anna", "Boris"):
        path = tmp_path / f"WhatsApp Chat with {name}.txt"
        path.write_text(f"03/04/2023, 10:00 - {name}: x\n14/04/2023, 10:00 - Olga: y", encoding="utf-8")
    summary, messages = load(store, tmp_path)
    assert [row.chat.title for row in summary.chats] == ["Anna", "Boris"]
    assert len(messages) == 4


def test_damaged_archive_is_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(EXPORTS / "discord" / "direct.json", "direct.json")
    raw = bytearray(path.read_bytes())
    raw[60:90] = b"\0" * 30
    path.write_bytes(raw)
    with pytest.raises(ExportFormatError, match="can't be read after byte 0: the disk or the archive is damaged"):
        import_file(store, path)
