"""Identifiers with letters: IBAN, papers of other countries, sort codes, and registration plates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from userbot.domain.placeholders import Masked
from userbot.trust.detectors.finding import Finding, Source

_IBAN = re.compile(r"(?<![a-z0-9])[a-z]{2} ?\d{2}(?:[ -]?[a-z0-9]){11,30}(?![a-z0-9])")
_SORT_CODE = re.compile(
    r"(?<![\d-])(\d{2}-\d{2}-\d{2}|\d{2} \d{2} \d{2}|\d{6})([\s,;/]+(?:(?:and|и|account|acc|acct|a/c|number"
    r"|num|no|is|счет|номер)[\s.:,]*)*)(\d{8}|\d{4} \d{4})(?!\d)"
)
_SORT_WORD = re.compile(
    r"sort|account|acc\b|acct|a/c|bank|monzo|barclays|hsbc|lloyds|natwest|starling|santander|revolut|transfer"
    r"|счет|сорт"
)
_LONE_SORT_CODE = re.compile(r"\bsort ?(?:code)?\W{0,3}(?:is )?(\d{2}-\d{2}-\d{2})")

_NINO = re.compile(
    r"(?<![a-z0-9])(?!bg|gb|kn|nk|nt|tn|zz)[a-ceghj-prstw-z][a-ceghj-nprstw-z] ?\d{2} ?\d{2} ?\d{2} ?[a-d]"
    r"(?![a-z0-9])"
)
_NAMED_NINO = re.compile(
    r"(?:nino?|national insurance|ni number|ni no)\b[^\d\n]{0,20}?\b([a-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-d]?)"
    r"(?![a-z0-9])"
)
_CODICE = re.compile(r"(?<![a-z0-9])[a-z]{6} ?\d{2}[a-ehlmprst]\d{2} ?[a-z]\d{3}[a-z](?![a-z0-9])")
_DNI = re.compile(r"(?<![a-z0-9])(?:[xyz]-?\d{7}|\d{8})-?[a-z](?![a-z0-9])")
_BELARUS = re.compile(r"(?<![a-z0-9])\d{7}[abckemh]\d{3}(?:pb|ba|bi)\d(?![a-z0-9])")
_FRENCH = re.compile(r"(?<!\d)[12] \d{2} \d{2} \d{2} \d{3} \d{3} \d{2}(?!\d)")
_CZECH = re.compile(r"(?<![\d/])\d{6}/\d{4}(?![\d/])")
_PAPER_WORD = re.compile(
    r"(?:id card|identity card|dow[oó]d|personalausweis|ausweis|\bid\b|внж|карта поляка|\bpan\b"
    r"|driv\w+ licen[cs]e|\bdl\b|licen[cs]e number|curp|rodn\w+)[^\n\d]{0,25}?[\s:#№]"
    r"((?=[a-z0-9-]*\d{3})[a-z0-9][a-z0-9-]{5,18}|[a-z]{2,3} ?\d{6})(?![a-z0-9])"
)
_PASSPORT_WORD = re.compile(
    r"(?:пасс?пор[тд]\w*|загран\w*|pass?port|пасп)[^\n\d]{0,30}?(?:\n)?(?<![a-zа-я])("
    r"(?:[a-zа-я]{1,3} ?№? ?\d{6,9}|[a-z]\d{2}[a-z0-9]{5,6}|[a-z]\d[a-z0-9]{7}|\d{2}[a-z]{2}\d{5}|"
    r"(?=[a-z0-9]*\d[a-z0-9]*\d)[cfghjklmnprtvwxyz][a-z0-9]{8}))(?![a-z0-9])"
)
_SERIES = re.compile(
    r"(?<![а-я])сер(?:и[яию]\w*)?\W{0,3}(\d{2} ?\d{2})(?:\W{1,4}|\W{0,4}(?:и\W)?(?:номер|ном|н|№|n)\W{0,4})"
    r"(\d{6}|\d{3} \d{3})(?!\d)"
)
_PASSPORT_PAIR = re.compile(
    r"(?<!\d)(?:\d{2} ?\d{2} ?(?:№|номер|ном|n|но|/|-) ?\d{6}|\d{2} ?№ ?\d{7}|\d{6} сери[яи]\W{0,2}\d{2} ?\d{2})(?!\d)"
    r"|(?<![\w])[a-zа-я]{2} ?\d{7}(?= (?:это )?(?:мой )?(?:паспорт|загран|passport))"
)
_LONE_SERIES = re.compile(
    r"(?:паспорт\w*|пасп)[^\n\d]{0,15}сери[яию]\W{0,3}(\d{2} ?\d{2})(?![\d.]|\W{0,4}\w{0,5}\W{0,3}\d)"
    r"|сери[яию] паспорт\w*\W{0,3}(\d{2} ?\d{2})(?![\d])"
)

_LETTERS = "авекмнорстухabekmhopctyx"
_PLATE = re.compile(
    rf"(?<![\w-])([{_LETTERS}])[ -]?(\d{{3}})[ -]?([{_LETTERS}]{{2}})[ -]?(\d{{2,3}})?(?:[ ]?(?:rus|рус))?(?![\w-])"
)
_UA_PLATE = re.compile(r"(?<![\w-])[авсекмнорхтіabcekmhopxti]{2}[ -]?\d{4}[ -]?[авсекмнорхтіabcekmhopxti]{2}(?![\w-])")
_BY_PLATE = re.compile(r"(?<![\w-])\d{4}[ -]?[abekmhopctxiавекмнорстхі]{2}-[1-7](?![\w-])")
_UK_PLATE = re.compile(r"(?<![\w-])[a-hj-pr-y][a-z]\d{2} ?[a-hj-pr-z]{3}(?![\w-])")
_TAXI_PLATE = re.compile(
    r"(?<![\w-])\d{3} ?[a-z]{2,3} ?(?:0[1-9]|1\d|20)(?![\w-])|"
    rf"(?<![\w-])[{_LETTERS}]{{2}} ?\d{{3}} ?\d{{2,3}}(?![\w-])|(?<![\w-])\d{{4}} ?[{_LETTERS}]{{2}} ?\d{{2,3}}"
    rf"(?![\w-])"
)
_GERMAN_PLATE = re.compile(r"(?<![\w-])[a-zäöü]{1,3}[- ][a-z]{1,2}[- ]?\d{1,4}[eh]?(?![\w-])")
_PLATE_WORD = re.compile(
    r"гос\.?\s?номер|номерн\w+ знак|автономер|номер\w* (?:машин|авто|тачк|такси)|(?:number|licen[cs]e) plate"
    r"|\bplates?\b|\bcar reg|\breg\b"
)
_PLATE_TOKEN = re.compile(
    r"(?<![\w@./-])(?=[a-zа-я0-9 -]*\d\d)(?:[a-zа-я]{1,3}[ -]?\d{2,5}[ -]?[a-zа-я]{0,3}"
    r"|\d{1,4}[ -]?[a-zа-я]{2,3}[ -]?\d{2,4})(?![\w-])"
)
_DASHED_PLATE = re.compile(r"(?<![\w-])[a-z]{2}-\d{3}-[a-z]{2}(?![\w-])")
_ANY_PLATE = re.compile(
    r"(?:number plates?|licen[cs]e plates?|plates?(?: number| no)?|\breg(?:istration)?(?: number| no| plate)?"
    r"|гос\.?\s?номер\w*|номер\w* (?:машин\w*|авто|тачк\w*|такси)|госномер\w*|автономер\w*"
    r"|номерн\w+ знак\w*)\W{1,3}(?:is |are |says? |это |такой |-|:|\s)*"
    r"((?=[a-zа-я0-9 -]*\d)(?=[a-zа-я0-9 -]*[a-zа-я])[a-zа-я0-9]{1,4}(?:[ -]?[a-z0-9]{1,4}){1,2})(?![\w-])"
)
_CAR_WORD = re.compile(
    r"машин|тачк|мотоцикл|прицеп|байк|авто|номер|гос|такси|парков|шлагбаум|пропуск|двор|припарк|водител"
    r"|\bcar\b|\bvan\b|\btaxi\b"
    r"|\bcab\b|uber|убер|plate|\breg\b|park|driver|"
    r"тойот|киа|kia|солярис|рио|бмв|bmw|ауди|audi|мерс|лада|ладу|приор|гранта|веста|шкод|toyota|ford|форд"
    r"|фольц|passat|golf|golf|tesla|nissan|ниссан|хонда|honda|мазд|mazda|хенда|хундай|hyundai|рено|логан"
    r"|лексус|lexus|volvo|вольво|skoda|опель|opel|peugeot|пежо|ситроен|jeep|\\bsuv\\b|sedan|truck|грузов"
    r"|газель|renault|дастер|octavia|октави|рапид|крет[ау]|creta|chery|haval|хавал|geely|джили|субару|subaru"
    r"|mercedes|range rover|scooter|motorbike|lyft|\\bbolt\\b|vw"
    r"|каршер|эвакуат|штраф|осаго|vehicle|hatchback|audi|кроссовер|джип|prius|приус|камри|camry|vauxhall|astra"
    r"|corsa|fiesta|focus|polo|белая|черная|белый|черный|registration|insurance|tow|бус"
)


_PLAIN_WORD = re.compile(
    r"(?:до|в|на|за|с|по|от|из|is|in|on|at|to|of|for|no|и|не) ?\d|\d+ (?:мая|лет|руб|час|мин|км|st|nd|the|for)"
)


def find_identifiers(source: Source) -> Iterator[Finding]:
    """Yield IBANs, papers of other countries, passports with letters, sort codes with accounts, and plates."""
    low = source.low
    yield from _find_ibans(low)
    yield from _find_sort_codes(low)
    yield from _find_passports(low)
    yield from _find_foreign_ids(low)
    yield from _find_plates(source)


def _find_ibans(low: str) -> Iterator[Finding]:
    from stdnum import iban

    for match in _IBAN.finditer(low):
        # Words may follow in one breath: the longest beginning that is an IBAN is it.
        length = iban._ibandb.info(re.sub(r"[ -]", "", match.group()).upper())[0][1].get("bban") and _iban_length(
            match.group()
        )
        if length and (text := _take(match.group(), length)) is not None:
            named = "iban" in low or "ибан" in low or "счет" in low
            if named or iban.is_valid(text):
                yield Finding(match.start(), match.start() + len(text), Masked.IBAN)


def _iban_length(text: str) -> int | None:
    from stdnum import iban

    bban = iban._ibandb.info(re.sub(r"[ -]", "", text).upper())[0][1].get("bban", "")
    sizes = re.findall(r"(\d+)!", bban)
    return 4 + sum(map(int, sizes)) if sizes else None


def _take(text: str, length: int) -> str | None:
    count = 0
    for position, char in enumerate(text):
        count += char.isalnum()
        if count == length:
            rest = text[position + 1 : position + 2]
            return None if rest and rest.isalnum() else text[: position + 1]
    return None


def _find_sort_codes(low: str) -> Iterator[Finding]:
    for match in _SORT_CODE.finditer(low):
        if "-" in match[1] or _SORT_WORD.search(low):
            yield Finding(*match.span(), Masked.ACCOUNT)
    for match in _LONE_SORT_CODE.finditer(low):
        yield Finding(*match.span(1), Masked.ACCOUNT)


def _find_passports(low: str) -> Iterator[Finding]:
    for match in _SERIES.finditer(low):
        yield Finding(match.start(1), match.end(2), Masked.PASSPORT)
    for match in _PASSPORT_WORD.finditer(low):
        yield Finding(*match.span(1), Masked.PASSPORT)
    for match in _LONE_SERIES.finditer(low):
        group = 1 if match[1] else 2
        yield Finding(*match.span(group), Masked.PASSPORT)
    if "пас" in low or "сери" in low or "загран" in low or "passport" in low:
        for match in _PASSPORT_PAIR.finditer(low):
            yield Finding(*match.span(), Masked.PASSPORT)


def _find_foreign_ids(low: str) -> Iterator[Finding]:
    from stdnum.es import dni, nie

    for match in _NAMED_NINO.finditer(low):
        yield Finding(*match.span(1), Masked.FOREIGN_ID)
    for pattern in (_NINO, _CODICE, _BELARUS, _FRENCH):
        for match in pattern.finditer(low):
            yield Finding(*match.span(), Masked.FOREIGN_ID)
    for match in _DNI.finditer(low):
        number = match.group().replace("-", "")
        if dni.is_valid(number) or nie.is_valid(number) or re.search(r"\b(?:dni|nie|nif)\b", low):
            yield Finding(*match.span(), Masked.FOREIGN_ID)
    if "rodn" in low or "czech" in low or "чеш" in low:
        for match in _CZECH.finditer(low):
            yield Finding(*match.span(), Masked.FOREIGN_ID)
    for match in _PAPER_WORD.finditer(low):
        yield Finding(*match.span(1), Masked.FOREIGN_ID)


def _find_plates(source: Source) -> Iterator[Finding]:
    low = source.low
    about_cars = _CAR_WORD.search(low) is not None
    for match in _PLATE.finditer(low):
        if match[4] or about_cars:
            yield Finding(*match.span(), Masked.PLATE)
    if _PLATE_WORD.search(low):
        for match in _PLATE_TOKEN.finditer(low):
            if 5 <= sum(map(str.isalnum, match.group())) <= 9 and not _PLAIN_WORD.match(match.group()):
                yield Finding(*match.span(), Masked.PLATE)
    for pattern in (_UA_PLATE, _BY_PLATE, _DASHED_PLATE):
        for match in pattern.finditer(low):
            yield Finding(*match.span(), Masked.PLATE)
    for match in _UK_PLATE.finditer(low):
        if about_cars or (source.text[match.start() : match.end()].isupper() and " " in match.group()):
            yield Finding(*match.span(), Masked.PLATE)
    if about_cars:
        for match in _ANY_PLATE.finditer(low):
            yield Finding(*match.span(1), Masked.PLATE)
        for match in _TAXI_PLATE.finditer(low):
            yield Finding(*match.span(), Masked.PLATE)
        for match in _GERMAN_PLATE.finditer(low):
            if source.text[match.start() : match.end()].isupper() and "-" in match.group():
                yield Finding(*match.span(), Masked.PLATE)
