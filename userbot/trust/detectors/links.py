"""Addresses of mail, and links that let whoever has them in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from userbot.domain.placeholders import Masked
from userbot.trust.detectors.finding import Finding, Source

_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]{1,64} ?@ ?(?:[\w-]+\.)+(?:[a-z]{2,}|рф|рус|укр|бел)\b"
    # Written so that a robot does not read it.
    r"|(?<![\w.+-])[a-z0-9][\w+-]{0,40}(?:(?:\.| dot | ?\[dot\] ?| ?\(dot\) ?)[\w+-]+)*\s?(?:\(at\)|\[at\]|\{at\}"
    r"| at |\(собака\)| ?собака |\(dog\)|\[собака\])\s?[a-z0-9-]+"
    r"(?: ?\. ?| dot | ?[(\[{]dot[)\]}] ?| точка )(?:[a-z]+(?:\.| dot | точка ))?"
    r"(?:com|ru|org|net|io|me|ua|by|kz|de|uk|co|edu|ру|ком|нет)\b"
    r"|(?<![\w.+-])[a-zа-я0-9][\w.+-]{0,40} собака (?:[a-z0-9-]+|мейл|майл|мэйл|джимейл|гмейл|жмейл|яндекс"
    r"|рамблер|бк|лист)"
    r"(?: ?точка ?|\.| )(?:ру|ком|com|ru|net)\b"
)
_NO_SPACE_NEEDED = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:gmail|mail|yandex|ya|icloud|outlook|bk|list|inbox)\b")

_URL = re.compile(
    r"(?<![\w@])(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\"«»]+|(?<![\w@./])"
    r"(?:[a-z0-9-]+\.)+[a-z]{2,}/[^\s<>\"«»]+"
)
_PARAMETER = re.compile(
    r"[?&#;/](?:[\w.%-]*(?:token|secret|password|passwd|passcode|signature|api_?key|auth_?key|access_?key|session_?id|"
    r"invite|otp|magic|ticket)[\w.%-]*|pwd|pass|sig|sign|key|auth|code|hash|rlkey|resourcekey|k|t|jwt|sid|psw|"
    r"confirmation|verify|authkey|login|invitation|join|h|st|s|u|p|id_token|oobcode|ct)=(?=[^&#\s]*[\d%_-]"
    r"|[^&#\s]{10})[^&#\s]{6,}"
)
_SHORT_NAMES = frozenset({"k", "t", "h", "st", "s", "u", "p", "hash", "id", "ct", "login", "key", "code", "sid"})
_OPEN_DOORS = re.compile(
    r"(?:t|telegram)\.(?:me|dog)/(?:\+|joinchat/|addlist/|c/\d+/\d+\?|proxy\?|giftcode/|login/)[\w?=&+-]*"
    r"|tg://(?:join|proxy|login|socks|addlist)\?\S+"
    r"|(?:chat\.whatsapp\.com|signal\.group|invite\.viber\.com|vk\.me/join|vk\.cc/join)/\S{6,}|wa\.me/qr/\S+"
    r"|discord(?:app)?\.(?:gg|com/invite)/[\w-]+|discord(?:app)?\.com/api/webhooks/\S+|hooks\.slack\.com/\S+"
    r"|[\w.-]*join\.slack\.com/\S+|join\.skype\.com/\S+|teams\.(?:microsoft|live)\.com/(?:l/meetup-join|meet)/\S+"
    r"|[\w.-]*zoom\.us/j/\d+\?pwd=\S+|[\w.-]*zoom\.us/(?:j|my|w)/\S+|meet\.google\.com/[a-z]{3}-[a-z]{4}-[a-z]{3}\S*"
    r"|telemost\.yandex\.ru/j/\d+\S*|us\d+web\.zoom\.us/\S+|g\.co/\S+/invite\S*|groups?\.google\.\S+/join\S*"
    r"|(?:docs|drive|sheets|forms)\.google\.com/\S*(?:/d/|folders/|id=)[\w-]{15,}\S*|photos\.app\.goo\.gl/\w+"
    r"|(?:disk\.yandex\.\w+|yadi\.sk)/(?:d|i|a|client/d)/\S+|cloud\.mail\.ru/public/\S+|1drv\.ms/\S+|we\.tl/t-\w+"
    r"|(?:www\.)?dropbox\.com/(?:s|sh|scl|request)/\S+|mega\.(?:nz|io)/(?:file|folder|#)\S*|\S*sharepoint\.com/:\S+"
    r"|(?:www\.)?icloud\.com/(?:iclouddrive|photos|notes|sharedalbum|keynote|numbers|pages)/\S*|share\.icloud\.com/\S+"
    r"|(?:pastebin\.com|privnote\.com|onetimesecret\.com/secret|ots\.\w+|send\.\w+\.\w+/download)/\S{6,}"
    r"|(?:app\.)?(?:trello\.com/invite|notion\.so/invite|figma\.com/invite|asana\.com/invite"
    r"|miro\.com/welcomeonboard)\S*"
    r"|\S*/(?:invite|invites|invitation|join|joinchat|reset|reset-password|password[-_/]?reset|recover|magic"
    r"|magic-link|"
    r"verify|confirm|activate|activation|unsubscribe|share|shared|s|private|sso|signin|login|auth|oauth|accept|"
    r"webhook|webhooks|calendar/ical)/(?=[\w%=~.-]*\d)[\w%=~.-]{8,}\S*"
    r"|\S*/bot\d{8,}:[\w-]{30,}\S*"
)
_SCHEMES = re.compile(
    r"(?:vless|vmess|ss|ssr|trojan|hysteria2?|hy2|tuic|otpauth|otpauth-migration|wireguard|lnurl"
    r"|outline)://\S{8,}"
)
_USER_AND_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@]+@\S+")
_OPEN_TO_ALL = re.compile(
    r"youtu\.?be|instagram\.com|tiktok\.com|twitter\.com|x\.com/|ozon\.|wildberries\.|aliexpress|avito\."
    r"|spotify|wikipedia"
)
_AT = ("@", "собака", " at ", "(at", "[at", "{at", "(dog")
_TRAILING = ".,!?)];:'"


def find_emails(source: Source) -> Iterator[Finding]:
    """Yield addresses of mail, also spelled with words for their signs."""
    if not any(sign in source.low for sign in _AT):
        return
    for pattern in (_EMAIL, _NO_SPACE_NEEDED):
        for match in pattern.finditer(source.low):
            yield Finding(*match.span(), Masked.EMAIL)


def find_secret_urls(source: Source) -> Iterator[Finding]:
    """Yield links that carry a token, a password, an invitation, or share a file with whoever has them."""
    low = source.low
    if "/" not in low and "www." not in low:
        return
    for match in _URL.finditer(low):
        url = match.group().rstrip(_TRAILING)
        if _is_secret(url):
            yield Finding(match.start(), match.start() + len(url), Masked.SECRET_URL)


def _is_secret(url: str) -> bool:
    if _SCHEMES.match(url) or _USER_AND_PASSWORD.match(url):
        return True
    bare = re.sub(r"^[a-z]+://(?:www\.)?|^www\.", "", url)
    if _OPEN_DOORS.match(bare if "://" not in bare else url) or (url.startswith("tg://") and _OPEN_DOORS.match(url)):
        return True
    parameter = _PARAMETER.search(url)
    if parameter is None or _OPEN_TO_ALL.search(url):
        return False
    name, _, value = parameter.group()[1:].partition("=")
    if name not in _SHORT_NAMES:
        return True
    # Short names stand for anything; a token is long and holds digits and letters.
    return len(value) >= 12 and any(map(str.isdigit, value)) and any(map(str.isalpha, value))
