"""The words that say what a number is: of the words around it, the nearest decides."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from userbot.trust.detectors.finding import Source

_WORDS = {
    "card": r"карт[аыуеойи]{1,2}\b|карточ\w*|\bcards?\b|\bvisa\b|мастеркард|mastercard|\bмир\b|\bmir\b|\bдебетов\w*"
    r"|\bкредитк\w*|\bтиньк\w*|\bсбер\w*|\bальф\w*|\bamex\b|\bбанковск\w*|\bдебетк\w*|\bdebit\b|\bcredit\b"
    r"|\bmaestro\b|\bт-?банк\w*",
    "account": r"\bр ?/ ?с\w*|\bк ?/ ?с\b|\bл ?/ ?с\b|\bсч[её]т(?!чик)\w{0,2}\b|\bр\.с\.?|\bрасч[её]тн\w*"
    r"|\bкорр?\.?\s?сч"
    r"|\bлицев\w*|\baccounts?\b"
    r"|\bacct?\b|\ba/c\b|\bsort ?code\b|\bsort\b|\brouting\b|\baba\b|\bреквизит\w*|\bbsb\b|\bacc\b(?=[ .:#]*"
    r"(?:no|num|\d))|\bbank details\b|\biban\b",
    "passport": r"\bпасп\w*|\bпас\b\.?|\bпасс?о?п?о?р[тд]\w*|\bпаспо[тд]р\w*|\bпаспрот\w*|"
    r"\bпоспорт\w*|\bpass?po?r?t\w*|\bвыдан\w?\b|\bовд\b|\bуфмс\b|\bмвд\b|\bву\b|\bв/у\b|"
    r"\bпаспрт\w*|\bпаcпорт\w*|\bзагран\w*|\bсерия\b|\bсерии\b|\bpassports?\b|\bpasport\b"
    r"|\bвод\w* "
    r"(?:удост|права)\w*"
    r"|\bводительск\w*|\bправа\b|\bdriv\w+ licen[cs]e\b|\bсвидетельств\w+ о рожд\w*|\bвнж\b|\bвид на жит\w*"
    r"|\bудостоверени\w*|\bвоенн?ик\w*",
    "snils": r"\bснилс\w*|\bснил\b|\bстраховой номер\b|\bсниллс\w*|\bsnils\b|\bстрахово\w+ свид\w*|\bпенсионн\w+ "
    r"(?:свид|страх|номер)\w*|\bснлс\b",
    "inn": r"\bинн\b|\binn\b|\bинн(?=\d)|\bналого\w*|\bинэнэн\b",
    "id": r"\bssn\b|\bsocial(?: security)?\b|\bсоц(?:иальн\w+)? (?:номер|страх)\w*|\bnin?o?\b(?= ?(?:is|number|no|:"
    r"|[a-z]{2} ?\d))|\bnational insurance\b"
    r"|\bpesel\w*|\bпесел\w*|\bdni\b|\bnie\b|\bnif\b|\bиин\w*|\biin\b|\bипн\b|\bрнокпп\b|\bідентиф\w*"
    r"|\bидентификац\w+ (?:номер|код)\w*"
    r"|\baadhaar\b|\baadhar\b|\bcpf\b|\bbsn\b|\bpersonnummer\b|\bsteuer\w*|\bidnr\b|\btin\b|\bitin\b|\bein\b"
    r"|\bsin\b|\bpersonal (?:code|id|number|no)\b"
    r"|\bличн\w+ (?:номер|код)\w*|\bпинфл\b|\bжшшир\b|\bисикукоод\b|\bisikukood\b|\bcnp\b|\bid(?: card)?"
    r"(?: number| no)\b|\bnational id\b|\bid card\b"
    r"|\btax (?:id|number|code)\b|\bcodice fiscale\b|\bfiscal code\b|\bnhs\b|\bполис\w*|\bомс\b|\btc kimlik\b"
    r"|\bteudat\b|\bтеудат\w*|\bsecurity number\b|\bрнн\b|\bегн\b|\boib\b|\bphn\b|\bmedicare\b",
    "wallet": r"\bкошел\w*|\bwallets?\b|\bюмани\w*|\bю ?money\b|\byoomoney\b|\bяндекс.?деньг\w*|\bwebmoney\b"
    r"|\bвебмани\w*",
    "phone": r"\bтел\b|\bгородск\w*|\bтел(?=\d)|\bтелеф\w*|\bтелефон\w*|\bтлф\b|\bзвон\w*|\bпозвон\w*|\bперезвон\w*"
    r"|\bнабер\w*"
    r"|\bнабир\w*|\bсотов\w*|\bмобил\w*"
    r"|\bвотсап\w*|\bватсап\w*|\bвацап\w*|\bвайбер\w*|\bсимк\w*|\bwhats ?app\w*|\bviber\b|\bphones?\b"
    r"|\bcalls?\b|\bmobile\b|\bcell\b"
    r"|\btext (?:me|him|her|us|them|my)\b|\bring\b|\breach (?:me|him|her|us)\b|\bлин\w* телеф\w*"
    r"|\bсмск?\w* на\b|\bсбп\b|\bномерок\b|\bдозвон\w*|\bwa\b|\btel\b|\blandline\b|\bgive \w+ a (?:ring|bell"
    r"|call)|\bчерез сбп\b|\bmob\b|\bnum\b|\bмтс\b|\bбилайн\w*|\bмегафон\w*|\bтеле2\b|\bdial\b|\bнабрать\b"
    r"|\bтрубк\w*|\bсвязаться\b|\bтелега\b|\bhotline\b|\bgoogle pay\b|\bvenmo\b|\bzelle\b|\bcontact\b",
    "number": r"\bномер\w*|\bnumber\b|\bnumbers\b|\bномер(?=\d)|№",
    "none": r"\bзаказ\w*|\bтрек\w*|\bпосылк\w*|\bнакладн\w*|\border\w*|\btrack\w*|\bparcel\b|\bартикул\w*|\bштрих\w*"
    r"|\bbarcode\b|\bisbn\b|\bimei\b"
    r"|\bсерийн\w*|\bserial\b|\bрейс\w*|\bflight\b|\bбилет\w*|\btickets?\b|\bброн[ьи]\w*|\bbooking\b"
    r"|\binvoice\b|\bверси\w*|\bversion\b|\bbuild\b|\bбилд\w*"
    r"|\bдоговор\w*|\bcontract\b|\bчек\b|\bчека\b|\breceipt\b|\bзаявк\w*|\bобращени\w*|\bcase\b|\bissue\b"
    r"|\bбаланс\w*|\bвыигр\w*|\bкадастр\w*|\bvin\b"
    r"|\breference\b|\bref\b|\bid заказа\b|\bдело\b|\bоценк\w*|\bogrn\b|\bогрн\w*|\bбик\b|\bкпп\b|\bокпо\b"
    r"|\bподсчет\w*|\bотправлени\w*|\bshipment\b|\bsku\b|\bмодел\w*|\bmodel\b|\bupc\b|\bean\b|\bpart\b"
    r"|\bпросмотр\w*|\bviews\b|\bлайк\w*|\bподписчик\w*|\bкоорд\w*|\btimestamp\b|\bгост\b|\bканал\w*|\bdoi\b"
    r"|\bстать\w*|\bполучател\w*|\bжалоб\w*|\bпост\b|\bретро\w*|\bфайл\w*|\bfile\b|\bphoto\b|\bфото\b|\bimg\b"
    r"|\bhash\b|\bcommit\b|\bкоммит\w*",
}

_CONTEXT = re.compile("|".join(f"(?P<{kind}>{words})" for kind, words in _WORDS.items()))
_BEFORE_CHARS = 60
_AFTER_CHARS = 25


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The telling words of a text, in order."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    kinds: tuple[str, ...]

    @classmethod
    def read(cls, source: Source) -> Surroundings:
        """Find the telling words of a text."""
        matches = [(*match.span(), str(match.lastgroup)) for match in _CONTEXT.finditer(source.low)]
        starts, ends, kinds = zip(*matches, strict=True) if matches else ((), (), ())
        return cls(starts, ends, kinds)

    def hints(self, start: int, end: int) -> tuple[str, ...]:
        """Return what the words around a number say it is, the nearest before it first, then one after it.

        Args:
            start: Where the number begins.
            end: Where it ends.
        """
        stop = bisect_right(self.starts, start)
        before = [self.kinds[i] for i in range(stop - 1, -1, -1) if 0 <= start - self.ends[i] <= _BEFORE_CHARS]
        first = bisect_right(self.starts, end - 1)
        after = [self.kinds[i] for i in range(first, len(self.starts)) if self.starts[i] - end <= _AFTER_CHARS]
        return (*before, *after[:1])
