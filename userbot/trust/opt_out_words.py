"""A contact's own words for "no bot, please", in Russian and English.

Precision comes first: a wrong match silences a chat. So a sentence must ask (not tell, doubt or report), must speak of
the writer themselves, and the word for the bot must stand alone: "the support bot" and "the bot in Discord" are others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from userbot.domain.visible import clean_text

# The word, then nothing that would make it another bot: the sentence ends, or goes on with one of these.
_END_RU = (
    r"(?=\s*(?:$|[,.!?;:)(—–-]|(?:больше|пожалуйста|плиз|плз|а|но|мне|меня|тут|здесь|вместо|ок|давай|я|ты|вы|это|потому"
    r"|если|когда|лучше|сам|сама|никогда|вообще|спасибо|отвеча\w+|отвечал\w*|писал\w*|общал\w*|говорил\w*)\b))"
)
_END_EN = (
    r"(?=\s*(?:$|[,.!?;:)(—–-]|(?:please|any ?more|again|instead|here|for me|to me|with me|in (?:this|our) chat|and|but|or"
    r"|when|because|if|ever|thanks|ok|answer\w*|repl\w+|respond\w*|writ\w+|talk\w*|text\w*|messag\w+)\b))"
)
_MINE_RU = (
    r"(?:(?:твои[мх]?|твоего|твоему|твой|своего|своим|свой|этого|этим|этот|эту|этой|какого-то|каким-то|твою|твоей)\s+)?"
)
_BOT_RU = (
    rf"{_MINE_RU}(?:чат-?\s?)?(?:бот(?:а|у|ом|е|ы|ов|ами)?|нейросет(?:ь|и|ью)|нейронк(?:а|и|у|ой)|ии|gpt|chatgpt"
    r"|искусственн\w+ интеллект\w*|автоответчик(?:а|ом)?|робот(?:а|у|ом)?|клон(?:а|у|ом)?|машин(?:а|ы|ой)|программ(?:а|ы|ой))"
)
_BY_BOT_RU = rf"(?:(?:через|с помощью|при помощи|посредством|за тебя)\s+)?{_BOT_RU}"
_ME_RU = r"(?:мне|меня|со мной|нам обоим)"
_TALK_RU = r"(?:отвеча\w+|ответ\w+|пис\w+|пиш\w+|общ\w+|разговарива\w+|переписыва\w+|говор\w+|болта\w+|трындеть)"
_SELF_RU = r"(?:сам[аи]?|лично|живьем|по-человечески)"
_STOP_RU = r"(?:не(?:\s+(?:надо|нужно|смей|стоит|могли? бы|мог бы))?|хватит|перестань(?:те)?|прекрати(?:те)?|прошу не|против,? чтобы)"

_RUSSIAN = (
    # не надо мне отвечать ботом; перестань писать мне через бота; не отвечай мне ботом
    rf"(?<!\bкак )(?<!\bесли )\b{_STOP_RU}\s+(?:\w+\s+)?(?:{_ME_RU}\s+)(?:\w+\s+)?{_TALK_RU}\s+{_BY_BOT_RU}{_END_RU}",
    rf"\b{_STOP_RU}\s+(?:больше\s+)?{_TALK_RU}\s+(?:\w+\s+)?{_ME_RU}\s+{_BY_BOT_RU}{_END_RU}",
    rf"\b{_STOP_RU}\s+(?:больше\s+)?{_TALK_RU}\s+{_BY_BOT_RU}\s+{_ME_RU}\b",
    # не хочу общаться с ботом; не буду разговаривать с твоим ботом
    rf"\b(?:не (?:хочу|буду|желаю|собираюсь|готова?|намерена?)|хватит с меня)\s+(?:\w+\s+)?{_TALK_RU}\s+с(?:о)?\s+{_BOT_RU}{_END_RU}",
    # не хочу, чтобы мне отвечал бот; против того, чтобы бот со мной общался
    rf"\b(?:не хочу|не желаю|не согласн\w+|против|не надо|не нужно)\s*(?:того)?,?\s*чтобы?\s+{_ME_RU}\s+{_TALK_RU}\s+{_BY_BOT_RU}{_END_RU}",
    rf"\b(?:не хочу|не желаю|не согласн\w+|против|не надо|не нужно)\s*(?:того)?,?\s*чтобы?\s+{_BOT_RU}\s+{_ME_RU}\s+{_TALK_RU}",
    rf"\b(?:не хочу|не желаю|не согласн\w+|против|не надо|не нужно)\s*(?:того)?,?\s*чтобы?\s+{_BOT_RU}\s+{_TALK_RU}\s+{_ME_RU}",
    rf"\b(?:не хочу|не желаю|не согласн\w+|против|не надо|не нужно)\s*(?:того)?,?\s*чтобы?\s+(?:со мной|за тебя)\s+{_TALK_RU}\s+{_BOT_RU}{_END_RU}",
    # пусть бот мне не отвечает; пусть мне отвечает не бот
    rf"\bпусть\s+{_BOT_RU}\s+(?:больше\s+)?(?:{_ME_RU}\s+не\s+{_TALK_RU}|не\s+{_TALK_RU}\s+{_ME_RU})",
    rf"\bпусть\s+{_ME_RU}\s+{_TALK_RU}\s+(?:\w+\s+)?(?:человек|люди),?\s+а не\s+{_BOT_RU}",
    # поговори со мной сам, а не бот; ответь сам, без бота; пиши сам, а не ботом
    rf"\b(?:поговори|говори|ответь|отвечай|пиши|напиши|общайся|пообщайся|разговаривай|побудь)\b(?:те)?[^.!?]{{0,30}}\b{_SELF_RU}\b[^.!?]{{0,20}}"
    rf"\b(?:а не|не|без)\s+{_BY_BOT_RU}{_END_RU}",
    # хочу говорить с тобой, а не с ботом
    rf"\b(?:хочу|хотел\w* бы|предпочитаю|буду|давай)\b[^.!?]{{0,30}}\bс (?:тобой|вами|живым человеком|человеком)[^.!?]{{0,15}}\b(?:а не|не)\s+с?\s*{_BOT_RU}{_END_RU}",
    # отключи своего бота (the whole sentence)
    r"^(?:\w+,\s*)?(?:пожалуйста,?\s+)?(?:отключи|выключи|убери|останови|заткни)(?:те)?\s+(?:от меня\s+)?(?:(?:сво|тво)\w+|этого)\s+бота"
    r"(?:\s+(?:пожалуйста|здесь|тут|в этом чате|в нашем чате|для меня|со мной|от меня|уже|наконец))*$",
    rf"^(?:давай|можно|а можно)\s+(?:пожалуйста\s+)?без\s+{_BOT_RU}(?:\s+пожалуйста)?$",
    # не обучай нейросеть на моих сообщениях
    rf"\bне (?:надо|смей|хочу,? чтобы)?\s*(?:\w+\s+)?(?:обуча\w+|тренир\w+|учи\w*)\s+(?:\w+\s+)?{_BOT_RU}\s+на моих\s+(?:сообщени|переписк|слов|текст)\w+",
    r"\bне (?:обучай(?:те)?(?:ся)?|используй(?:те)?)\s+(?:на\s+)?мо(?:их|и)\s+(?:сообщени|переписк|слов|текст)\w+(?:\s+для обучения)",
)

_BOT_EN = r"(?:(?:a|an|the|your|this|that|some|any|no)\s+)?(?:chat\s?)?(?:bots?|ai|a\.i\.|chatgpt|gpt|llm|robot|machine|auto-?repl(?:y|ies)|clone)"
_TALK_EN = r"(?:answer|reply(?:ing)?|respond|writ(?:e|ing)|talk|speak|text|chat|messag(?:e|ing)|dm)(?:ing|s|ed)?"
_ME_EN = r"(?:(?:to|with|at|for)\s+)?me"
_NO_EN = r"(?:do not|don'?t|dont|please don'?t|never|no longer)"

_ENGLISH = (
    # don't let a bot answer me
    rf"\b(?:{_NO_EN} (?:let|have|allow|make|use|want|get)|stop (?:letting|having|using|making)|i'?m not ok(?:ay)? with|i refuse to let)\s+{_BOT_EN}\s+"
    rf"(?:to\s+)?{_TALK_EN}\s+(?:to\s+|with\s+)?(?:me|my messages)\b",
    rf"\b(?:{_NO_EN} use|stop using)\s+{_BOT_EN}\s+(?:on|with|for|in conversations with) me\b",
    # don't answer me with a bot; stop replying to me through your bot
    rf"\b(?:{_NO_EN}|stop|quit)\s+{_TALK_EN}\s+{_ME_EN}\s+(?:with|through|via|by|using|by using)\s+{_BOT_EN}{_END_EN}",
    # I don't want to talk to your bot; I don't want a bot to answer me
    rf"\bi (?:{_NO_EN}|do ?n[o']t) (?:want|like|consent|wish|agree) (?:to|having)\s+(?:be\s+)?{_TALK_EN}\s+(?:to|with|by)\s+{_BOT_EN}{_END_EN}",
    rf"\bi (?:won'?t|will not|refuse to|am not going to|'?m not going to)\s+{_TALK_EN}\s+(?:to|with)\s+{_BOT_EN}{_END_EN}",
    rf"\bi {_NO_EN} (?:want|consent to|agree to|like)\s+{_BOT_EN}\s+(?:to\s+)?{_TALK_EN}\s+(?:to\s+|with\s+)?me\b",
    # talk to me yourself, not a bot; I want to talk to you, not your bot
    rf"\b(?:talk|speak|write|text|answer|reply|respond|message)\b[^.!?]{{0,20}}\byourself\b[^.!?]{{0,12}}\b(?:not|without|no)\s+(?:with\s+|through\s+|via\s+|by\s+)?{_BOT_EN}{_END_EN}",
    rf"\b(?:want to|wanna|prefer to|would like to|'?d like to|'?d rather|would rather)\s+{_TALK_EN}\s+(?:to|with)\s+(?:you|a human|a person|a real person|the real you)\b[^.!?]{{0,10}}"
    rf"\b(?:not|than|instead of)\s+(?:to\s+|with\s+)?{_BOT_EN}{_END_EN}",
    # turn off your bot; no bots please (whole sentences)
    r"^(?:\w+,\s*)?(?:please\s+|can you |could you )?(?:turn|switch|shut)\s+(?:off\s+(?:your|this|that)\s+bot|(?:your|this|that)\s+bot\s+off)"
    r"(?:\s+(?:please|here|for me|with me|in this chat|now|already))*$",
    r"^(?:please,?\s+)?no\s+(?:more\s+)?(?:bots?|ai)(?:\s+(?:replies|answers|messages))?(?:,?\s+(?:please|with me|for me|in this chat|here))+$",
    rf"\b{_NO_EN}\s+(?:train|teach)\s+{_BOT_EN}(?:\s+model)?\s+(?:on|with|from)\s+(?:my|our)\s+(?:messages|chats?|words|texts)\b",
    rf"\b{_NO_EN}\s+use\s+(?:my|our)\s+(?:messages|chats?|words|texts)\s+(?:to train|for training)\b",
)

_QUOTED = re.compile(r"«[^«»]*»|“[^“”]*”|„[^„“”]*[“”]|\"[^\"\n]*\"|`[^`]*`|(?m:^\s*>.*$)|(?<!\w)'[^'\n]*'(?!\w)")
_SENTENCES = re.compile(r"[^.!?\n;…]+[.!?…]*")
_REPORTED = re.compile(
    r"\b(?:сказал\w*|говор(?:ит|ил\w*|ят)|пишет|написал\w*|просил\w*|попросил\w*|спросил\w*|said|says|told|asked|wrote|writes|asking)\b"
    r"(?!\s+(?:тебе|же тебе|you)\b)"
)
_DOUBTFUL = re.compile(
    r"^(?:а\s+|и\s+|and\s+|but\s+|what\s+|что\s+)?(?:если|допустим|представь|if|suppose|imagine)\b|\bкак бот\w*\b|\blike (?:a|an|i'?m|i am)\b"
    r"|\b(?:шучу|шутка|kidding)\b|\b(?:почему|зачем|why|how come|отчего|когда|when)\b.*\?|\bне против\b|\bне говорю\b|\bnot saying\b"
    r"|\bdon'?t mind\b|\bdo you\b|\bне то,? чтобы\b|\bне что\b"
)
_POLITE = re.compile(
    r"\b(?:можешь|можете|можно|мог(?:ла|ли)? бы|давай|пожалуйста|can|could|would|will|please|хорошо|ладно|ок|okay?|да)\b"
)


class OptOutWords:
    """Finds a contact's wish that no bot answers them.

    Args:
        patterns: Further regular expressions, matched without case against each sentence.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._builtin = re.compile("|".join(f"(?:{pattern})" for pattern in (*_RUSSIAN, *_ENGLISH)))
        self._own = [re.compile(pattern, re.IGNORECASE) for pattern in patterns]

    def ask(self, text: str) -> bool:
        """Tell whether a text asks for no bot, in its writer's own words and for themselves.

        Args:
            text: A message's text; what stands in quotation marks is somebody else's.
        """
        own = _QUOTED.sub(" ", clean_text(text))
        if any(pattern.search(sentence) for sentence in _SENTENCES.findall(own) for pattern in self._own):
            return True
        plain = own.lower().replace("ё", "е").replace("’", "'")
        return any(self._asks(" ".join(sentence.split())) for sentence in _SENTENCES.findall(plain))

    def _asks(self, sentence: str) -> bool:
        if _DOUBTFUL.search(sentence) or (sentence.endswith("?") and not _POLITE.search(sentence)):
            return False
        found = self._builtin.search(sentence.rstrip(".!?… )("))
        return found is not None and _REPORTED.search(sentence[: found.start()]) is None
