"""Street addresses, Russian, English and German: a street with a house, or a house with a flat."""

from __future__ import annotations

import re
from collections.abc import Iterator

from userbot.domain.placeholders import Masked
from userbot.trust.detectors.finding import Finding, Source

_TYPE = (
    r"(?:улиц[аеуыи]|ул|проспект[еа]?|просп|пр-?к?т[еа]?|пр|переул\w{0,4}|пер|бульвар[еа]?|б-р|бул|шоссе|ш"
    r"|набережн\w{2}|наб|"
    r"площад[ьи]|пл|проезд[еа]?|пр-д|алле[яие]|тракт[еа]?|микрорайон[еа]?|мкр-?н?|мкрн|м-н|квартал[еа]?|линия"
    r"|линии|тупик[еа]?|"
    r"вул|вулиц\w+|пос|поселок|снт|деревня|дер|жк|кп)"
)
_NAME = (
    r"(?:\d{1,3}-?(?:я|й|го|ая|ой|летия)? )?[а-яіїє][а-яіїє.-]*(?: [а-яіїє][а-яіїє-]{2,}){0,2}|\d{1,2}-?(?:я|й"
    r"|ая|ой)(?: [а-яіїє]{4,})?|\d{1,2} [а-я]{3,8}"
)
_HOUSE = r"(?:дом |дом|д ?\. ?|д )?№? ?\d{1,4}(?: ?[/-] ?\d{1,4})?(?: ?[а-гa-c](?![а-яa-z]))?"
_UNIT = (
    r"(?:кв(?:артир[аеуы])?|к(?:орп(?:ус[е]?)?)?|стр(?:оение)?|с|под(?:ъезд|ьезд)?[ею]?|п|эт(?:аж[е]?)?|оф"
    r"(?:ис[е]?)?|комн(?:ат[аеу])?|лит(?:ер[а]?)?|"
    r"общ(?:ага)?|секци[яи]|вл|этаже)"
)
_UNITS = (
    rf"(?:\s*[,;.\n]?\s*{_UNIT} ?\.?\s?№? ?\d{{1,4}}(?: ?[а-гa-c](?![а-яa-z]))?|\s*[,;]?\s*\d{{1,2}}(?:-?й)? "
    rf"(?:эт(?:аж)?|под(?:ъезд|ьезд)?)\w*)"
)
_NOT_A_HOUSE = (
    r"(?![\d.,:]*\d|\s?(?:%|руб|р\b|к\b|мин|балл|час|лет|год|г\b|км|метр|м\b|кв\.? ?м|раз|числ|июн|июл|янв|фев"
    r"|мар|апр|ма[йя]|авг|сен|окт|ноя|дек|утра|вечера|дня|дней|чел|шт|этаж|градус|минут|тыс|млн))"
)

_TYPED = re.compile(
    rf"(?<![а-яa-z-]){_TYPE}(?:\. ?| )(?:им(?:\.|ени) ?)?(?:{_NAME})[ ,]*\s?{_HOUSE}{_NOT_A_HOUSE}{_UNITS}*"
    rf"|(?<![а-яa-z-])(?:{_NAME}) {_TYPE}\.?(?![а-я])[ ,]*\s?{_HOUSE}{_NOT_A_HOUSE}{_UNITS}*"
)
_NEEDS_CARE = re.compile(r"(?:^| )(?:пр|ш|пл|пос|жк|линия|линии|дер|м-н|кп|наб|квартал\w?) ")
_HOUSE_AND_FLAT = re.compile(
    rf"(?<![а-яa-z])(?:(?:[а-яіїє-]{{4,}} )?[а-яіїє-]{{3,}}[ ,]+)?(?<!\d){_HOUSE}[ ,;.\n]*"
    rf"(?:{_UNITS}[ ,]*){{0,3}}(?:кв(?:артира)?|квартира|кв\.)[ .]*№? ?\d{{1,4}}(?! ?м|\d)(?![.,]\d){_UNITS}*"
)
_HOUSE_UNITS = re.compile(
    rf"(?<![а-яa-z])[а-яіїє-]{{4,}}[ ,]+(?:дом |д\.? ?)?\d{{1,3}}(?: ?[/-] ?\d{{1,3}})?(?: ?[а-г](?![а-я]))?"
    rf"(?:[ ,]+(?:корп(?:ус)?|подъезд|подьезд|под|этаж|эт|стр(?:оение)?|оф(?:ис)?)\.? ?\d{{1,3}}){{1,}}"
    rf"|(?<![а-яa-z])[а-яіїє-]{{4,}}[ ,]+(?:дом |д\. ?|д )\d{{1,3}}(?: ?[/-] ?\d{{1,3}})?(?: ?[а-г](?![а-я]))?"
    rf"(?:[ ,]*{_UNIT}\.? ?\d{{1,4}})*"
    rf"|(?<![а-яa-z])[а-яіїє-]{{4,}}(?:ой|ская|ской|ского|ова|ева|ина|ского|ый|ая|ий|ом"
    rf"|ка)[ ,]+\d{{1,3}}[ ]?к ?\d{{1,2}}(?![\d])(?:[ ,]*{_UNIT}\.? ?\d{{1,4}})*"
)
_PLACED = re.compile(
    r"(?:адрес\w*|живу|живем|живет|жив[её]те?|прожива\w+|прописан\w*|прописк\w*|зарегистрирован\w*|приезжай\w*"
    r"|приезжайте|заезжай\w*|подъезжай\w*|привез\w+|"
    r"доставк\w*|достав\w+|курьер\w*|переехал\w*|снимаю|снял\w*|едь|езжай|ехать|везите|вези|забери\w*|забирать"
    r"|жду|подходи\w*|приходи\w*|такси|заказ\w+ такси|дом\w* (?:на|у)|квартир\w*|находи\w+|хата|дача)"
    r"[^\n\d]{0,25}?(?:\n|[ :—-])\s?((?:г\.? ?)?(?:[а-яіїє-]{3,},? )?(?:\d{1,2}-?(?:я|й|ая|ой) )?[а-яіїє-]{4,}"
    r"(?:ой|ая|ого|его|ова|ева|ева|ина|на|ский|ская|ской|ского|ских|ий|ый|ая|ую|ную|ы|а|и|я|ом|ей|ка|ов)[ ,]+"
    r"(?:дом |д\.? ?)?\d{1,3}(?: ?[/-] ?\d{1,4}){0,2}(?: ?[а-гк](?![а-яa-z])(?: ?\d{1,2})?)?)"
    + _NOT_A_HOUSE
    + rf"({_UNITS}*)"
)
_STREET_LIKE = re.compile(
    r"(?:ск(?:ая|ой|ую|ого|ий|ом)|[оеи]в(?:а|ой)|ина|ин[аы]|ной|ная|ную|овую|[а-я]{3}ую|ого|его|ников|телей"
    r"|истов|еров|ева|ова|ана|ых|ей|ка|ла|ы|са|ко)[ ,]"
)
_NOT_A_STREET = re.compile(
    r"(?:^|[ ,])(?:[кв]|на|до|за|по|через|после|около|примерно|часов|минут|осталось|всего|только|этаж\w*"
    r"|час\w*|ровно|рейс\w*|комнат\w*|подъезд\w*|квартир\w*|глав\w*|страниц\w*|групп\w*|машин\w*|школ\w*"
    r"|номер\w*|цена|цены|суббот\w*|пятниц\w*|сегодня|завтра|станци\w*|вагон\w*|человека|осталась|серия|серии"
    r"|года|недел\w*|месяц\w*|палат\w*|стоила|столик\w*|штука|кабинет\w*|аудитори\w*|маршрутк\w*"
    r"|автобус\w*)[ ,]+\d"
)

_EN_STRONG = (
    r"(?:streets?|str|st|road|rd|avenue|ave|av|lane|ln|blvd|boulevard|crescent|cres|terrace|gardens|gdns|grove"
    r"|mews|parkway|pkwy|highway|hwy|walk|row|wharf|quay)"
)
_EN_WEAK = (
    r"(?:drive|dr|way|court|ct|place|pl|close|square|sq|hill|park|rise|green|view|circle|cir|loop|trail|path"
    r"|gate|house|towers?|heights|plaza|broadway|alley|bend|run|ridge)"
)
_EN_UNIT = r"(?:flat|apt|apartment|unit|suite|ste|room|rm|floor|fl|#|no\.?|door)"
_EN = re.compile(
    rf"(?:(?<![a-z0-9]){_EN_UNIT}\.? ?#?\d{{1,4}}[a-z]?[ ,]+)?(?<![\w.,:$£€/-])\d{{1,5}}(?:[a-d]"
    rf"|-\d{{1,4}})?,? (?:(?:n|s|e|w|ne|nw|se|sw|north|south|east|west|upper|lower|old|new|st|saint)\.? )?"
    rf"(?:[a-z'’.-]{{2,}}|\d{{1,3}}(?:st|nd|rd|th))(?: [a-z'’-]{{2,}}){{0,2}} (?:{_EN_STRONG}|"
    rf"(?P<weak>{_EN_WEAK}))(?![a-z'’])"
    rf"\.?(?:[ ,]*(?:{_EN_UNIT})\.? ?#?\w{{1,5}}(?![a-z]))?"
    rf"|(?<![\w.,:$£€/-])\d{{1,5}} \d{{1,3}}(?:st|nd|rd|th) (?:st(?:reet)?|ave(?:nue)?)(?![a-z])"
    rf"(?:[ ,]*{_EN_UNIT}\.? ?#?\w{{1,5}})?"
    rf"|(?<![\w.,:$£€/-])\d{{2,5}} (?:broadway|main)(?![a-z])"
    rf"|(?<![a-z]){_EN_UNIT} ?\d{{1,4}}[a-z]?,? (?:\d{{1,4}} )?[a-z]+(?: [a-z]+)? (?:house|court|towers?"
    rf"|mansions|building|lodge|point)(?![a-z])"
)
_EN_STOP = re.compile(
    r"\b(?:min(?:ute)?s?|hours?|hrs?|days?|weeks?|months?|years?|miles?|km|people|of|the|more|times|in|on|at|a"
    r"|an|to|or|and|for|from|is|was|per|guys|pm|am|dollars|bucks|by|as|with|down|up|off|way|percent|different"
    r"|i|it|that|this|my|your|our|their|out|we|you|blocks?|stops?|lanes?|meters?|feet|ft|parking|car|point"
    r"|star|bed|steps?|no|not|good|bad|off)\b"
)
_EN_PLACE = re.compile(
    r"\b(?:live|lives|living|address|addy|come to|come over|moved|staying|deliver|delivery|pick me up|drop"
    r"|ship|send|place is|located|house is|meet|i'm at|im at|home|mail)\b"
)
_POSTCODE = re.compile(r"(?<![a-z0-9])(?:[a-z]{1,2}\d[a-z0-9]?) \d[abd-hjlnp-uw-z]{2}(?![a-z0-9])")
_GERMAN = re.compile(
    r"(?<![a-zäöüß])[a-zäöüß-]{3,}(?:stra(?:ß|ss)e|str\.|strasse|weg|platz|allee|gasse|ring|damm"
    r"|ufer) ?\d{1,4}(?: ?[a-d](?![a-z]))?|(?<![a-z])(?:rue|via|calle|avenida|ulica|ul\.) "
    r"(?:[a-zà-ÿ'-]+ ){0,3}[a-zà-ÿ'-]+,? \d{1,4}(?:/\d{1,3})?|(?<![\w.,])\d{1,4}(?: bis)?,? rue "
    r"(?:[a-zà-ÿ'-]+ ?){1,4}"
)


_TOWN_BEFORE = re.compile(
    r"(?:(?<!\d)\d{6},? )?(?:(?:россия|рф),? )?(?:(?:[а-я-]+ (?:обл|область|край)\.?),? )?"
    r"(?:(?:г\.?|гор\.?|город)[ ]?[а-я-]{3,}(?: [а-я-]{3,})?|москва|спб|питер|санкт-петербург|мск|екатеринбург"
    r"|казань|новосибирск|минск|киев|самара|ростов|краснодар|пермь|уфа|воронеж|сочи|тюмень|омск|челябинск"
    r"|алматы|нижний новгород)[, ]+$"
)
_MORE_UNITS = re.compile(rf"(?:{_UNITS}|[ ,]+домофон \d{{1,4}}(?![\dкk#]))+")
_TOWN_AFTER = re.compile(
    rf"(?:,? (?:{_EN_UNIT})\.? ?#?\w{{1,5}}(?![a-z]))?(?:, ?[A-Z][A-Za-z'-]+(?: [A-Z][a-z]+)?){{0,3}}"
    rf"(?:,? [A-Z]{{2}}(?![A-Za-z]))?"
    r"(?:,? (?:\d{5}(?:-\d{4})?(?!\d)|[A-Z]{1,2}\d[A-Z0-9]? ?\d[A-Z]{2}))?"
)


def find_addresses(source: Source) -> Iterator[Finding]:
    """Yield street addresses; a street without a house, or a floor alone, is none."""
    low = source.low
    if not any(map(str.isdigit, low)):
        return
    if any("а" <= char <= "я" for char in low):
        yield from (_extend(source, finding) for finding in _find_russian(low))
    if any("a" <= char <= "z" for char in low):
        yield from (_extend(source, finding) for finding in _find_english(source))


def _extend(source: Source, finding: Finding) -> Finding:
    """Take in the town before a street, and the flat, the town and the postcode behind it."""
    start, end = finding.start, finding.end
    if (town := _TOWN_BEFORE.search(source.low, max(0, start - 80), start)) is not None:
        start = town.start()
    for pattern, text in ((_MORE_UNITS, source.low), (_TOWN_AFTER, source.text)):
        if (more := pattern.match(text, end)) is not None:
            end = more.end()
    return Finding(start, end, finding.kind)


def _find_russian(low: str) -> Iterator[Finding]:
    for match in _TYPED.finditer(low):
        if _NEEDS_CARE.search(f" {match.group()} ") is None or _UNIT_OR_PLACE.search(low):
            yield Finding(*match.span(), Masked.ADDRESS)
    for pattern in (_HOUSE_AND_FLAT, _HOUSE_UNITS):
        for match in pattern.finditer(low):
            if not _NOT_A_STREET.search(match.group()):
                yield Finding(*match.span(), Masked.ADDRESS)
    for match in _PLACED.finditer(low):
        place = match[1]
        if not _NOT_A_STREET.search(place) and (_STREET_LIKE.search(place) or match[2] or "-" in place):
            yield Finding(match.start(1), match.end(), Masked.ADDRESS)


_UNIT_OR_PLACE = re.compile(
    r"\bкв|\bдом\b|\bд\b|корп|подъезд|этаж|адрес|живу|живет|ул\b|приезж|доставк|прописан|заезж|курьер|забер"
    r"|такси|жду|дом \d"
)


def _find_english(source: Source) -> Iterator[Finding]:
    low = source.low
    for match in _EN.finditer(low):
        words = re.sub(r"^\D*\d+\S* ?", "", match.group(), count=1)
        if _EN_STOP.search(words):
            continue
        capital = re.search(r"[A-Z]", source.text[match.start() : match.end()]) is not None
        if match["weak"] is None or capital or _EN_PLACE.search(low):
            yield Finding(*match.span(), Masked.ADDRESS)
    for match in _POSTCODE.finditer(low):
        if source.text[match.start() : match.end()].isupper() or "post" in low or _EN_PLACE.search(low):
            yield Finding(*match.span(), Masked.ADDRESS)
    for match in _GERMAN.finditer(low):
        yield Finding(*match.span(), Masked.ADDRESS)
