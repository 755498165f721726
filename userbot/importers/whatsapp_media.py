"""What WhatsApp writes in a text file in place of an attachment or a deleted message."""

from __future__ import annotations

import re

from userbot.domain.placeholders import Kind, write_file, write_placeholder

_ATTACHED = re.compile(r"^[\u200e\s]*<[^<>:]{1,30}: (?P<name>[^<>]+)>")
_FILE = re.compile(r"^[\u200e\s]*(?P<name>[^\n/]{1,120}\.\w{2,5}) \([^()\n]{3,40}\)")
_OMITTED = re.compile(r"^[\u200e\s]*<(?P<what>[^<>\n]{3,60})>$")
_IOS_OMITTED = re.compile(
    r"^\u200e(?P<what>[^\n]{3,60}?) (?:omitted|weggelassen|omis\w*|omitid\w+|omess\w+|ocult\w+|отсутствует|опущен\w*)$"
)
_PLACE = re.compile(r"^[\u200e]?[^\W\d]{2,20}(?: [^\W\d]+)?: https?://maps\.google\.com/\S+$")
_POLL = re.compile(
    r"^[\u200e]?(?:POLL|ОПРОС|UMFRAGE|ENCUESTA|ENQUETE|SONDAGE|SONDAGGIO):\n(?P<question>[^\n]+)", re.IGNORECASE
)
# Parts of words, in the languages that exports were seen in.
_OMISSION_WORDS = (
    "omit",
    "без медиа",
    "ausgeschlossen",
    "weggelassen",
    "omis",
    "omess",
    "ocult",
    "dahil edilmedi",
    "отсутств",
    "pominięt",
    "weggelaten",
    "media",
    "utelä",
    "省略",
    "ausente",
)
_KINDS = {
    Kind.PHOTO: ("photo", "image", "изображение", "фото", "bild", "imagen", "imagem", "immagine", "img"),
    Kind.VIDEO: ("video", "видео", "vidéo", "vídeo", "vid"),
    Kind.VOICE: ("audio", "voice", "аудио", "голос", "áudio", "ptt", "aud"),
    Kind.STICKER: ("sticker", "стикер", "autocollant", "figurinha", "stk"),
    Kind.GIF: ("gif",),
    Kind.CONTACT: ("contact", "контакт", "kontakt", "contacto", "contato"),
}
_DELETED = frozenset({
    "this message was deleted", "you deleted this message", "this message was deleted by admin",
    "данное сообщение удалено", "вы удалили данное сообщение", "сообщение удалено", "вы удалили это сообщение",
    "diese nachricht wurde gelöscht", "du hast diese nachricht gelöscht", "se eliminó este mensaje",
    "eliminaste este mensaje", "esta mensagem foi apagada", "você apagou esta mensagem", "mensagem apagada",
    "ce message a été supprimé", "vous avez supprimé ce message", "questo messaggio è stato eliminato",
    "hai eliminato questo messaggio",
})  # fmt: skip


def is_deleted_mark(text: str) -> bool:
    """Tell whether a text stands in place of a deleted message."""
    return text.strip("\u200e .").casefold() in _DELETED


def describe_attachment(raw: str) -> tuple[str | None, str]:
    """Split what a line says into placeholder and caption.

    Args:
        raw: What follows the sender's name.

    Returns:
        The placeholder, None for plain text; and the text or caption, "" without one.
    """
    attached = _ATTACHED.match(raw) or _FILE.match(raw)
    if attached is not None:
        return _describe_file(attached["name"].strip("\u200e ")), _clean(raw[attached.end() :])
    omitted = _IOS_OMITTED.match(raw) or _OMITTED.match(raw)
    if omitted is not None:
        what = omitted["what"].casefold()
        if raw.startswith("\u200e") or any(words in what for words in _OMISSION_WORDS):
            return write_placeholder(_find_kind(what)), ""
    if _PLACE.match(raw):
        return write_placeholder(Kind.LOCATION), ""
    poll = _POLL.match(raw)
    if poll is not None:
        return write_placeholder(Kind.POLL, poll["question"]), ""
    return None, _clean(raw)


def _describe_file(name: str) -> str:
    # WhatsApp's pictures are JPEG, and only its stickers are WebP.
    return write_placeholder(Kind.STICKER) if name.endswith(".webp") else write_file(name)


def _clean(text: str) -> str:
    return text.replace("\u200e", "").strip()


def _find_kind(what: str) -> Kind:
    return next((kind for kind, parts in _KINDS.items() if any(part in what for part in parts)), Kind.MEDIA)
