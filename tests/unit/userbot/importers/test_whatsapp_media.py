"""What WhatsApp writes in place of attachments, in several languages."""

from __future__ import annotations

import pytest

from userbot.importers.whatsapp_media import describe_attachment, is_deleted_mark, is_notice


@pytest.mark.parametrize(
    ("raw", "media", "text"),
    [
        ("hello", None, "hello"),
        ("see <this> and that", None, "see <this> and that"),
        ("\u200e<attached: 00000012-PHOTO-2024.jpg>", "[photo]", ""),
        ("IMG-1.jpg (file attached)\nlook at this", "[photo]", "look at this"),
        ("STK-1.webp (Datei angehängt)", "[sticker]", ""),
        ("IMG-1.jpg (файл добавлен)", "[photo]", ""),
        ("<Media omitted>", "[media]", ""),
        ("<Без медиафайлов>", "[media]", ""),
        ("\u200eimage omitted", "[photo]", ""),
        ("\u200eаудиофайл отсутствует", "[voice]", ""),
        ("\u200eBild weggelassen", "[photo]", ""),
        ("image omitted", None, "image omitted"),
        ("<something else entirely>", None, "<something else entirely>"),
        ("Location: https://maps.google.com/?q=1,2", "[location]", ""),
        ("ОПРОС:\nКто придёт?\nВАРИАНТ: я", "[poll: Кто придёт?]", ""),
    ],
)
def test_a_line_is_split_into_placeholder_and_caption(raw: str, media: str | None, text: str) -> None:
    assert describe_attachment(raw) == (media, text)


@pytest.mark.parametrize("text", ["This message was deleted", "\u200eВы удалили данное сообщение.", "Mensagem apagada"])
def test_marks_of_deleted_messages_are_known(text: str) -> None:
    assert is_deleted_mark(text)


def test_words_about_deletion_are_words() -> None:
    assert not is_deleted_mark("this message was deleted by me")


@pytest.mark.parametrize(
    "text",
    ["Bu mesaj silindi", "Dit bericht is verwijderd", "Pesan ini dihapus", "Eliminaste este mensaje.", "הודעה זו נמחקה",
     "تم حذف هذه الرسالة", "Ta wiadomość została usunięta", "This message was deleted"],
)  # fmt: skip
def test_deleted_message_is_known_in_many_languages(text: str) -> None:
    assert is_deleted_mark(text)


@pytest.mark.parametrize(
    "text",
    ["null", "Missed voice call", "Voice call. \u200e2 min", "Missed voice call. \u200eClick to call back",
     "live location shared",
     "Waiting for this message. This may take a while.", "Пропущенный аудиозвонок", "Verpasster Videoanruf"],
)  # fmt: skip
def test_notice_of_the_app_is_no_word_of_anybody(text: str) -> None:
    assert is_notice(text)


@pytest.mark.parametrize(
    "text", ["null and void", "I missed your voice call", "voice calls are bad here", "call me", "nulla"]
)
def test_words_about_calls_are_words(text: str) -> None:
    assert not is_notice(text)


@pytest.mark.parametrize("text", ["<social media>", "<multimedia class at 5>", "<3 media", "<my photo of it>"])
def test_words_in_angle_brackets_are_words(text: str) -> None:
    assert describe_attachment(text) == (None, text)


@pytest.mark.parametrize(
    "raw",
    [
        "Plan.pdf • \u200e116 pages \u200e<attached: 00000017-Plan.pdf>",
        "\u200ePlan.pdf • \u200e3 pages \u200edocument omitted",
    ],
)
def test_document_of_ios_has_its_own_name(raw: str) -> None:
    assert describe_attachment(raw) == ("[file Plan.pdf]", "")


def test_caption_before_an_attachment_of_ios_is_kept() -> None:
    assert describe_attachment("look \u200e<attached: 00000018-PHOTO-2024.jpg>")[1] == "look"
