"""What WhatsApp writes in a text file in place of an attachment or a deleted message."""

from __future__ import annotations

import re

from userbot.domain.placeholders import Kind, write_file, write_placeholder

_ATTACHED = re.compile(r"^(?P<shown>[^\n<>]*?)[\u200e\s]*<[^<>:]{1,30}: (?P<name>[^<>\n]+\.\w{2,5})>")
# iOS shows a document's name and size in front of both forms.
_DOCUMENT = re.compile(r"^[\u200e\s]*(?P<name>[^\n/•]{1,120}\.\w{2,5}) • [^\n]*$")
_FILE = re.compile(r"^[\u200e\s]*(?P<name>[^\n/]{1,120}\.\w{2,5}) \([^()\n]{3,40}\)")
_OMITTED = re.compile(r"^[\u200e\s]*<(?P<what>[^<>\n]{3,60})>$")
_IOS_OMITTED = re.compile(
    r"^\u200e(?P<what>[^\n]{3,60}?) (?:omitted|weggelassen|omis\w*|omitid\w+|omess\w+|ocult\w+|отсутствует|опущен\w*)$"
)
_PLACE = re.compile(r"^[\u200e]?[^\W\d]{2,20}(?: [^\W\d]+)?: https?://maps\.google\.com/\S+$")
_POLL = re.compile(
    r"^[\u200e]?(?:POLL|ОПРОС|UMFRAGE|ENCUESTA|ENQUETE|SONDAGE|SONDAGGIO):\n(?P<question>[^\n]+)", re.IGNORECASE
)
# Parts of words that name the leaving out, in the languages that WhatsApp has; what is left out people name too.
_OMISSION_WORDS = (
    "omit", "omis", "omess", "ocult", "sin multimedia", "ausente", "ausgeschlossen", "weggelassen", "weggelaten",
    "utelä", "utelat", "udelad", "jätett", "dahil edilmedi", "pominięt", "vynech", "hiányz", "kihagy", "izostav",
    "disertakan", "bỏ qua", "không được", "παραλείφ", "без медиа", "отсутств", "пропущен", "вилучен", "без медіа",
    "استبعاد", "הושמט", "לא נכלל", "省略", "忽略", "含まれて", "생략", "제외", "ละเว้น", "छोड़", "हटा",
)  # fmt: skip
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
    "eliminaste este mensaje", "este mensaje fue eliminado", "esta mensagem foi apagada", "você apagou esta mensagem",
    "mensagem apagada", "apagou esta mensagem", "ce message a été supprimé", "vous avez supprimé ce message",
    "questo messaggio è stato eliminato", "hai eliminato questo messaggio", "bu mesaj silindi", "bu mesajı sildiniz",
    "dit bericht is verwijderd", "u hebt dit bericht verwijderd", "je hebt dit bericht verwijderd", "pesan ini dihapus",
    "anda menghapus pesan ini", "pesan ini telah dihapus", "mesej ini telah dipadam", "הודעה זו נמחקה", "מחקת הודעה זו",
    "מחקת את ההודעה הזו", "تم حذف هذه الرسالة", "لقد حذفت هذه الرسالة", "حذفت هذه الرسالة",
    "ta wiadomość została usunięta", "usunięto tę wiadomość", "tato zpráva byla smazána", "tuto zprávu jste smazali",
    "ez az üzenet törölve lett", "törölted ezt az üzenetet", "acest mesaj a fost șters", "ați șters acest mesaj",
    "det här meddelandet togs bort", "du raderade det här meddelandet", "denne beskeden ble slettet",
    "denne meldingen ble slettet", "denne besked blev slettet", "tämä viesti poistettiin", "poistit tämän viestin",
    "αυτό το μήνυμα διαγράφηκε", "це повідомлення видалено", "ви видалили це повідомлення",
    "此消息已删除", "此訊息已刪除",
    "你删除了此消息", "您已刪除此訊息", "このメッセージは削除されました", "삭제된 메시지입니다",
    "이 메시지는 삭제되었습니다",
    "tin nhắn này đã bị xóa", "यह संदेश हटा दिया गया", "यह संदेश मिटाया गया", "ข้อความนี้ถูกลบ",
})  # fmt: skip
_CALLS = (
    "voice call", "video call", "аудиозвонок", "видеозвонок", "sprachanruf", "videoanruf", "llamada", "videollamada",
    "chamada",
    "appel vocal", "appel vidéo", "chiamata", "videochiamata", "sesli arama", "görüntülü arama", "spraakoproep",
    "video-oproep", "panggilan suara", "panggilan video", "połączenie", "שיחה קולית", "שיחת וידאו", "مكالمة",
    "语音通话",
    "視訊通話", "音声通話", "ビデオ通話", "음성 통화", "영상 통화",
)  # fmt: skip
_MISSED = (
    "missed", "пропущенный", "verpasster", "perdida", "perdida de voz", "de voz perdida", "manqué", "persa", "cevapsız",
    "gemiste", "tak terjawab", "nieodebrane", "שלא נענתה", "لم يرد عليها", "فائتة", "未接", "不在", "부재중",
)  # fmt: skip
_CALL = re.compile(
    rf"^(?:(?:{'|'.join(_MISSED)})[\s-]+)?(?:{'|'.join(_CALLS)})(?:[\s-]+(?:{'|'.join(_MISSED)}))?"
    r"(?:[.,][\s\u200e]+.{1,40})?$",
    re.IGNORECASE,
)
_NOTICES = frozenset({
    "null", "live location shared", "live location ended", "view once message", "waiting for this message",
    "waiting for this message. this may take a while", "трансляция геоданных", "вы делитесь геоданными",
    "ожидание данного сообщения. это может занять некоторое время", "live-standort geteilt", "live-locatie gedeeld",
    "warten auf diese nachricht. dies kann etwas dauern", "esperando este mensaje. esto puede tardar un tiempo",
    "en attente de ce message", "aguardando mensagem", "in attesa del messaggio. potrebbe richiedere del tempo",
    "ubicación en tiempo real compartida", "localização em tempo real compartilhada",
})  # fmt: skip


def is_deleted_mark(text: str) -> bool:
    """Tell whether a text stands in place of a deleted message."""
    return text.strip("\u200e .").casefold() in _DELETED


def is_notice(text: str) -> bool:
    """Tell whether the app wrote a text in a sender's name: calls, what could not be loaded, locations."""
    bare = text.strip("\u200e .").casefold()
    return bare in _NOTICES or _CALL.match(bare) is not None


def describe_attachment(raw: str) -> tuple[str | None, str]:
    """Split what a line says into placeholder and caption.

    Args:
        raw: What follows the sender's name.

    Returns:
        The placeholder, None for plain text; and the text or caption, "" without one.
    """
    attached = _ATTACHED.match(raw)
    if attached is not None:
        shown = _DOCUMENT.match(attached["shown"])
        name = shown["name"] if shown else attached["name"].strip("\u200e ")
        return _describe_file(name), _clean(f"{'' if shown else attached['shown']}\n{raw[attached.end() :]}")
    named = _FILE.match(raw)
    if named is not None:
        return _describe_file(named["name"].strip("\u200e ")), _clean(raw[named.end() :])
    omitted = _IOS_OMITTED.match(raw) or _OMITTED.match(raw)
    if omitted is not None:
        shown = _DOCUMENT.match(raw)
        if shown is not None:
            return _describe_file(_clean(shown["name"])), ""
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
