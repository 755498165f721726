"""What WhatsApp writes in place of attachments, in several languages."""

from __future__ import annotations

import pytest

from userbot.importers.whatsapp_media import describe_attachment, is_deleted_mark


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
