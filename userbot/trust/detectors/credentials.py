"""Passwords and codes: words that stand behind a word that names them, in the same line or in the next."""

from __future__ import annotations

import re
from collections.abc import Iterator

from userbot.domain.placeholders import Masked
from userbot.trust.detectors.finding import Finding, Source

# --- passwords

_PASSWORD_WORD = re.compile(
    r"(?<![а-яa-z0-9])(?:парол[ьяеию]{0,2}|паролем|пороль|порол[яю]|парль|паоль|парольк\w|пароли|парольчик\w?"
    r"|праоль|пароьл|паролл?|паролик\w?|пасс"
    r"(?:ворд)?\w{0,2}|пасворд\w?|пасвор\w?|"
    r"passwords?|pasword|passwrod|psswrd|pwrd|pswd|пассв\w+|passwort|passw|passwd|passcode|passphrase|pwd"
    r"|pword|pw|pass|psw|psswd|пасс"
    r"|кодов\w+ фраз\w+|секретн\w+ фраз\w+)(?![а-яa-z])"
)
_LOGIN = re.compile(
    r"(?:логин|login|user(?:name)?|юзер|лог|учетк\w*|учетн\w+ запис\w*|log|акк(?:аунт)?\w{0,2}|account|creds"
    r"|креды|wi-?fi|вай-?фай|сеть|network|ssid|доступ\w?|вход)(?:\s?[/:=—-]+\s?|\s+(?:is |это )?)(\S{3,})\s?"
    r"(?:[/|\n:;,—-]\s?|\s+(?:and |и )?)"
    r"(\S{4,})"
)
_PAIR = re.compile(r"(?<![\w/:.@-])([\w.+-]+@[\w.-]+\.\w+|[a-z][\w.-]{2,})\s?(?:[:/|;]|\s—\s|\s-\s)\s?(\S{5,40})")
_LOGIN_WORD = re.compile(
    r"логин|login|user|учетк|акк|парол|pass|вход|доступ|creds|креды|admin|root|админ|вайфай|wi-?fi|роутер"
    r"|router"
)
_FILLER = re.compile(
    r"(?:\s*(?:\([^()\n]{1,40}\)|(?:от|для|for|to)(?: (?:my|the|your|our|его|ее|моего|нашего|new))? "
    r"[a-zа-я][a-zа-я.+-]{1,20}(?= )|"
    r"(?:от|для|к|на|у|в|с|из|за|for|to|of|on|the|my|your|our|his|her|new|old|новый"
    r"|старый|мой|твой|его|ее|наш|там|"
    r"тут|вот|держи|лови|теперь|сейчас|пока|временный|временно|сменил|сменила|поменял|поменяла|поставил\w?"
    r"|запиши|запомни|такой|стоит|"
    r"стал|now|here|changed|set|got|was|has been|it's|its|there|currently|still|just|again|temp|temporary"
    r"|default|guest|main|wifi|wi-fi|wi fi|вай-фай|вайфай\w?|вайфая|вай фая|вафля|вифи|"
    r"точк\w+ доступа|роутер\w?|router|network|сет[ьи]|компа?|ноут\w?|ноутбук\w?|laptop|pc|computer|почт[ыеау]"
    r"|мыл[ау]|email|mail|gmail|аккаунт\w?|account|акк\w?|"
    r"вк|vk|инст[аыу]|инстаграм\w?|instagram|insta|телег[иа]|steam|стим\w?|netflix|нетфликс\w?|кинопоиск\w?"
    r"|spotify|госуслуг\w*|яндекс\w?|"
    r"сайт\w?|site|сервер\w?|server|архив\w?|zip|файл\w?|file|админк[иа]|admin|сбербанк\w*|банк\w?|bank|app"
    r"|приложени\w+|zoom|зум\w?|дверь|disney\+?|prime|hulu|vpn|впн\w?|"
    r"office|офис\w*|work|рабоч\w+|домашн\w+|дома|home|icloud|apple|айклауд\w?|эпл|айди|id|facebook|фейсбук\w?"
    r"|google|гугл\w?|облак\w|cloud|база|базы|database|db|root|user|юзера|"
    r"одноклассник\w*|тиндер\w?|тикток\w?|tiktok|roblox|роблокс\w?|twitch|discord|дискорд\w?|playstation|psn"
    r"|xbox|epic|ozon|озон\w?|авито|wb|камер\w?|camera|телефон\w?|phone|планшет\w?|tablet|ipad|айпад\w?"
    r"|машин\w?|portal|кабинет\w?|лк|hotspot|диск\w?|drive|флешк\w?|журнал\w?|дневник\w?|moodle|чат\w?"
    r"|системе?|систем[ыа]|винд\w?|windows|линукс\w?|макбук\w?|macbook|airbnb|keepass|lastpass|битварден\w?))"
    r"(?![а-яa-z0-9_@#!$%*])){0,6}"
)
_DELIMITER = re.compile(
    r"\s*(?P<mark>\?\s*\n|\n|[:=]\s*\n?|\s[—–-]+\s?|[—–-]+\s|\bis\b\s*:?|['’]s\b\s*|\bэто\b\s*:?|→|->|=>)\s*"
)
_VALUE = re.compile(r"[\"'«“`‘](?P<quoted>[^\"'»”`’\n]{2,60})[\"'»”`’]|(?P<bare>[^\s]{3,64})")
_REVERSED = re.compile(
    r"(?<!\S)(\S{5,40})\s*(?:[—–-]+\s*|\(|\b(?=это |is |as ))(?:это |вот |новый |(?:is|as) (?:the|my|our|your"
    r"|a)(?: new)? |the |my "
    r"|мой |наш )?(?:wifi |wi-fi )?(?:парол[ья]|пасс|password|pwd|passcode|pass)(?![а-яa-z])"
)
_NO_PASSWORD = re.compile(
    r"^(?:забы\w+|не|нет|неверн\w+|неправильн\w+|был\w?|есть|нужен|нужно|надо|сменил\w?|поменя\w+|смени\w*"
    r"|слож\w+|прост\w+|какой|как|где|кто|что|чтобы|который|и|или|а|но|я|ты|он|она|мне|тебе|слишком|"
    r"тот|такой|же|тоже|скину|скинь|напиш\w+|напомн\w+|пришл\w+|дай|дам|потом|завтра|сейчас|щас|лично"
    r"|слетел\w?|подход\w+|вспомн\w+|помн\w+|знаю|знаешь|знает|сам|хз|минимум|длин\w+|"
    r"the|a|an|wrong|incorrect|expired|required|same|not|too|weak|strong|invalid|changed|reset|manager"
    r"|protected|forgotten|missing|what|which|please|pls|so|very|really|stupid|fine|ok|okay|"
    r"in|on|at|to|be|it|that|this|still|always|never|written|stored|saved|long|short|safe|secure|different"
    r"|right|correct|wrong|case|hard|easy|impossible|going|was|about|already|somewhere|under|like|"
    r"or|and|but|because|if|when|will|would|can|should|must|needs?|your|my|his|her|their|our|of|for|with|from"
    r"|by|you|i|we|they|he|she|sent|below|above|nothing|gone|unknown|идут|ок|окей|ага|да|ну|"
    r"стандартн\w+|обычн\w+|прежн\w+|старый|новый|общий|от|для|на|в|к|с|у|по|за|из|под|снова|опять|вообще"
    r"|пожалуйста|плиз|плз|спасибо|срочно|истек\w*|верн\w+|любой|сек|секунду|минут\w*|восстанов\w+|сброс\w*"
    r"|внутри|записан\w?|лежит|висит|написан\w?|приклеен\w?|"
    r"никому|только|уже|еще|лучше|можно|нельзя|тебя|меня|него|ее|их|вас|нас|был\w*|будет|придум\w+|приду"
    r"|введи\w*|вводи\w*|хороший|надежн\w+|секрет\w*|sure|idk|dunno|yes|yeah|no|nope|nah|lol|haha|wait|great"
    r"|good|bad|simple|easy|okay|public|private|empty|shared|hold|thanks|thx|sorry|here|hey|hi|one|just|try"
    r"|let|me|got)$"
)
_AFTER_PREPOSITION = re.compile(r"(?:^|\s)(?:от|для|на|к|в|у|за|из|с|со|for|to|of|on|my|your|the|our|его|ее)\s*$")
_STRIP = ".,;!?)»”\"'…"

# --- codes

_CODE_WORD = re.compile(
    r"(?<![а-яa-z])(?:(?P<pin>пин-?\s?код\w{0,2}|пинк\w*|пин\w?|pin(?:[ -]?code|[ -]?number)?s?|cvv2?|cvc2?"
    r"|цвв|свв|cvs|otp|отп|2fa|двухфактор\w*|2фа|passcode|puk|пак ?код|пук)|"
    r"(?P<door>домофон\w{0,3}|интерком\w?|intercom|door ?code|gate ?code|entry ?code|access ?code|alarm"
    r"(?: code)?|keypad|lockbox|lock ?box|key ?box|кейбокс\w?|ключниц\w+|сейф\w{0,2}|safe(?: code)?|калитк\w+"
    r"|шлагбаум\w{0,2}|сигнализаци\w+|garage(?: code| door)?|подъезд\w{0,2}|ворот\w{0,3}|padlock|замок"
    r"|замк\w{1,2}|combination|combo|комбинаци\w+|buzzer|разблокировк\w+|блокировк\w+|unlock(?: code)?"
    r"|камер\w+ хранения|ячейк\w+|locker|чемодан\w{0,2}|suitcase|постамат\w{0,2}|пвз)|"
    r"(?P<code>код\w{0,2}|кодик|кодом|смс\w{0,2}|смск\w+|sms|codes?))(?![а-яa-z])"
)
_NO_CODE_BEFORE = re.compile(
    r"(?:промо-?|штрих-?|qr-?|кюар-?|zip |дресс-?|dress |error |source |исходн\w+ |morse |promo ?|discount "
    r"|area |country |bar|post(?:al)? |почтов\w+ |gift |referral |coupon |voucher |вк )$"
)
_NO_CODE_AFTER = re.compile(
    r"^(?:\s*[-:]?\s*(?:ошибк\w+|товар\w*|город\w*|стран\w+|регион\w*|подраздел\w+|скидк\w*|промо\w*|review"
    r"|ревью|error|status|coverage|freeze|line\w*|base|bug|of conduct|mkb|мкб|валют\w+|окпо|оквэд|тн ?вэд"
    r"|ответа|состояния|предмета|групп\w+|курса|диагноза|красит?\w+|цвета|краски|оттенк\w+|для скидки"
    r"|на скидку|возврата|выхода|игры|статус\w*|аэропорт\w*))"
)
_PROMO = re.compile(
    r"промо|скидк|promo|discount|% off|\boff\b|купон|coupon|voucher|referral|реферал|ошибк|\berror\b|http"
    r"|exit code|статус|артикул|\bsku\b"
)
_CODE_VALUE = re.compile(
    r"(?P<value>(?<![a-zа-я0-9.,/])(?:\d{1,4}-\d{1,4}-\d{1,4}|\d{2,3} \d{2,3}(?: \d{2,3})?(?![\d ]*\d)"
    r"|[#*№]?[кk]?[#*]?\d[\d#*кkвbключ]{2,11}[#*]?"
    r"|[a-z]{1,3}-?\d{4,8}|\d{1,4}[#*кkвb-]{1,3}\d{2,6}[#*]?|\d{1,4}(?:ключ|key|к|k)\d{2,6}|\d(?: \d){3,7}"
    r"|\d{2,4}[ -]\d{2,4}(?:[ -]\d{2,4})?|(?=[a-z0-9]*\d)[a-z0-9]{4,10}))(?![a-zа-я0-9]|[.,:]\d|%)"
)
_BEFORE_CODE = re.compile(
    r"(?<![\w.,:/-])(?P<value>[a-z]-\d{4,8}|\d{3,8}|\d{3}[ -]\d{3}|\d{1,4}[#*кk]\d{2,6}[#*]?)(?![\w]"
    r"|[.,:]\d)\s*(?:[—–-]+\s*|,\s*|\(|is |это |- это )?(?:your|ваш|твой|мой|the|my|это|его|ее|вот)?\s*"
    r"(?:\w{2,14}\s)?(?:код\w{0,2}|пин(?:-?код)?|pin|code|passcode|otp|cvv|cvc|verification code|login code"
    r"|домофон\w?)(?![а-яa-z])"
)
_NOT_A_CODE_UNIT = re.compile(
    r"^\s?(?:руб|р\b|₽|\$|€|тыс|мин|час|лет|год|г\b|гг|сек|%|шт|км|кв\b|раз|строк|lines?|people|чел|день|дня"
    r"|дней|минут|pounds?|bucks|hours?|days?|am\b|pm\b|min|цифр|знак|символ|digits?|chars|letters|times"
    r"|сообщ|штук|балл|месяц|недел)"
)
MIN_CODE = 4
"""Characters of the shortest code amid a sentence that names no door, card or safe: `200` is a web server's."""

_SAFE_CODE = re.compile(
    r"[^\d\n]{0,20}(?:безопасност|двер|подъезд|домофон|карт|калитк|ворот|сейф|замк|door|gate|card|security|entry)"
)
_PLACES = (
    "подъезд", "ворот", "чемодан", "ячейк", "пвз", "locker", "постамат", "garage", "камер", "suitcase",
)  # fmt: skip
"""Words for what has a code and a number of its own; a number behind them is the code where something says so."""

_NAMED = re.compile(r"код|code|пароль|набер|набир|открыва|жми|введи|dial|press|enter|type|[:=—-]|это|\bis\b")
_ENDS = re.compile(r"[ .!)]*(?:$|\n)")
_BOUGHT = re.compile(r"\bза\b|\bчерез\b|купил|стоит|стоил|\bfor\b")
_YEARISH = re.compile(r"^(?:19[5-9]\d|20[0-3]\d)$")


def find_passwords(source: Source) -> Iterator[Finding]:
    """Yield passwords behind, or right before, a word that names them, and those of logins."""
    low = source.low
    for match in _PASSWORD_WORD.finditer(low):
        yield from _read_value(source, match.end())
    for match in _REVERSED.finditer(low):
        if _looks_random(source.text[match.start(1) : match.end(1)].strip(_STRIP)):
            yield Finding(match.start(1), match.end(1), Masked.PASSWORD)
    if _LOGIN_WORD.search(low):
        for match in (*_LOGIN.finditer(low), *_PAIR.finditer(low)):
            value = source.text[match.start(2) : match.end(2)].strip(_STRIP)
            if _LOGIN_WORD.fullmatch(match[1]):
                continue
            if _looks_random(value) and not value.startswith(("http", "/", "@")) and "@" not in value[1:-3]:
                yield Finding(match.start(2), match.start(2) + len(value), Masked.PASSWORD)


def _read_value(source: Source, position: int) -> Iterator[Finding]:
    """Yield what stands behind the word that names a password, where it can be one."""
    filler = _FILLER.match(source.low, position)
    end = filler.end() if filler else position
    yield from _take_value(source, end)
    if end != position and source.low[position : position + 2].strip()[:1] in (":", "=", "-"):
        yield from _take_value(source, position)


def _take_value(source: Source, position: int) -> Iterator[Finding]:
    low = source.low
    mark = _DELIMITER.match(low, position)
    start = mark.end() if mark else position + len(low[position:]) - len(low[position:].lstrip(" \t"))
    strong = mark is not None and "\n" not in mark["mark"] and mark["mark"].strip() not in ("is", "это")
    if (again := _FILLER.match(low, start)) and again.end() > start and not strong:
        start = again.end()
        start += len(low[start:]) - len(low[start:].lstrip(" "))
    value = _VALUE.match(low, start)
    if value is None or (mark is None and start == position and position < len(low)):
        return
    if (quoted := value["quoted"]) is not None:
        if strong or mark is not None or _looks_random(quoted):
            yield Finding(*value.span("quoted"), Masked.PASSWORD)
        return
    begin = value.start("bare")
    bare = source.text[begin : value.end("bare")].rstrip(".,;)»…")
    rest = low[begin + len(bare) : source.line_end(begin)].strip(" .!)")
    if _NO_PASSWORD.match(bare.lower().replace("ё", "е").strip(_STRIP)) or bare.startswith(("http", "@")):
        return
    alone = not rest
    plain_word = strong and len(bare) >= 4 and (alone or "," in rest[:1] or rest[:1] in ("(", "\n"))
    stated = mark is not None and mark["mark"].strip().startswith("is") and alone and len(bare) >= 5
    latin = mark is None and re.fullmatch(r"[a-z]{5,}", bare) is not None and _is_russian(low[: begin - 1]) and alone
    digits = (
        re.fullmatch(r"\d{4,12}", bare) is not None and not _YEARISH.match(bare) and not _NOT_A_CODE_UNIT.match(rest)
    )
    if (mark is None or not strong) and _AFTER_PREPOSITION.search(low[:begin]) and not _looks_random(bare):
        return  # what the password is for
    if _looks_random(bare) or plain_word or stated or latin or digits:
        yield Finding(begin, begin + len(bare), Masked.PASSWORD)


def _is_russian(low: str) -> bool:
    return re.search(r"[а-я]{4}\S*\s*$", low) is not None


def _looks_random(word: str) -> bool:
    """Return whether a word is no word of a language: digits with letters, signs inside, capitals inside."""
    if len(word) < 4 or re.fullmatch(
        r"\d{1,2}[:.]\d{2}|\d{1,2}[-/.]\d{1,2}(?:[-/.]\d{2,4})?|\d+-?(?:го|й|я|м|th|st|nd)", word
    ):
        return False
    digits, letters = any(map(str.isdigit, word)), any(map(str.isalpha, word))
    signs = re.search(r"[a-zа-я0-9][!@#$%^&*_+=?~.-][a-zа-я0-9]|[#$%^&*_=~]|\d!+$", word.lower()) is not None
    inner_capital = re.search(r"[a-zа-я][A-ZА-Я]", word) is not None
    return (
        (digits and (letters or len(word) >= 6 or signs))
        or (signs and "-" not in word.strip("-") and "." not in word)
        or inner_capital
    )


def find_codes(source: Source) -> Iterator[Finding]:
    """Yield PINs, one-time codes and codes of doors behind, or right before, a word that names them."""
    low = source.low
    if not any(map(str.isdigit, low)) or _PROMO.search(low):
        return
    for match in _CODE_WORD.finditer(low):
        if _NO_CODE_BEFORE.search(low[: match.start()]) or _NO_CODE_AFTER.match(low[match.end() :]):
            continue
        yield from _read_code(source, match)
    for match in _BEFORE_CODE.finditer(low):
        yield Finding(*match.span("value"), Masked.CODE)


def _read_code(source: Source, word: re.Match[str]) -> Iterator[Finding]:
    low, position = source.low, word.end()
    stop = min(len(low), position + 60)
    for value in _CODE_VALUE.finditer(low, position, stop):
        between = low[position : value.start("value")]
        if len(between) > 42 or between.count("\n") > 1 or (any(map(str.isdigit, between)) and word["door"] is None):
            return
        text = value["value"]
        if _NOT_A_CODE_UNIT.match(low[value.end("value") :]) or (_YEARISH.match(text) and len(between) > 12):
            return
        if word["door"] and not _is_door_code(text, between, word["door"]):
            continue
        if (
            word["code"]
            and len(text) < MIN_CODE
            and not (_SAFE_CODE.match(low, position) or _ENDS.match(low, value.end("value")))
        ):
            return
        if word["code"] and word["code"].startswith(("смс", "sms")) and len(between) > 14:
            return
        if not any(map(str.isdigit, text)) or re.fullmatch(r"\d{1,2}", text):
            continue
        yield Finding(*value.span("value"), Masked.CODE)
        return


def _is_door_code(text: str, between: str, word: str) -> bool:
    if _BOUGHT.search(between):
        return False
    if _YEARISH.match(text) and not _NAMED.search(between):
        return False
    if word.startswith(_PLACES) and not _NAMED.search(between):
        return re.search(r"[кkвb#*]", text) is not None and any(map(str.isdigit, text))
    return re.search(r"\d.*\d.*\d|[кk#*]", text) is not None
