"""What WhatsApp writes in a text file where something was no text."""

from __future__ import annotations

import re

from userbot.importers.placeholders import bracket, describe_file

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
    "photo": ("photo", "image", "изображение", "фото", "bild", "imagen", "imagem", "immagine", "img"),
    "video": ("video", "видео", "vidéo", "vídeo", "vid"),
    "voice": ("audio", "voice", "аудио", "голос", "áudio", "ptt", "aud"),
    "sticker": ("sticker", "стикер", "autocollant", "figurinha", "stk"),
    "gif": ("gif",),
    "contact": ("contact", "контакт", "kontakt", "contacto", "contato"),
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
    """Tell whether a text stands in the place of a deleted message."""
    return text.strip("\u200e .").casefold() in _DELETED


def describe_attachment(raw: str) -> tuple[str | None, str]:
    """Split what a line says into placeholder and caption; the placeholder is None for plain text."""
    for pattern in (_ATTACHED, _FILE):
        found = pattern.match(raw)
        if found is not None:
            name = found["name"].strip("\u200e ")
            return "[sticker]" if name.endswith(".webp") else describe_file(name), _clean(raw[found.end() :])
    found = _IOS_OMITTED.match(raw) or _OMITTED.match(raw)
    if found is not None and (raw.startswith("\u200e") or any(w in found["what"].casefold() for w in _OMISSION_WORDS)):
        return _name_kind(found["what"]), ""
    if _PLACE.match(raw):
        return "[location]", ""
    found = _POLL.match(raw)
    if found is not None:
        return bracket("poll:", found["question"]), ""
    return None, _clean(raw)


def _clean(text: str) -> str:
    return text.replace("\u200e", "").strip()


def _name_kind(what: str) -> str:
    words = what.casefold()
    return next((bracket(kind) for kind, parts in _KINDS.items() if any(part in words for part in parts)), "[media]")
