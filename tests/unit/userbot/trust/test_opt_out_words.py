"""Who asks for no bot, and who only speaks of one."""

from __future__ import annotations

import pytest

from userbot.trust.opt_out_words import OptOutWords

ASKED = """
не надо мне отвечать ботом
Не отвечай мне ботом!
Пожалуйста, не отвечай мне с помощью ИИ
хватит писать мне через бота
перестань отвечать мне своим ботом
поговори со мной сам, а не бот
Поговори со мной сама, а не через нейросеть
ответь сам, без бота
пиши мне сам, а не ботом
не хочу общаться с ботом
Я не хочу больше разговаривать с твоим ботом
Не буду общаться с нейросетью.
не хочу, чтобы мне отвечал бот
не хочу чтоб бот мне отвечал
я против того, чтобы мне отвечал бот
пусть бот мне не отвечает
пусть твой бот больше не пишет мне
пусть со мной говорит живой человек, а не бот
я хочу говорить с тобой, а не с ботом
хочу общаться с живым человеком, а не с нейронкой
отключи своего бота
пожалуйста, выключи своего бота для меня
убери этого бота пожалуйста
Привет! Как дела? Не надо мне отвечать ботом, ок?
можешь не отвечать мне ботом?
не надо, чтобы мне отвечала нейросеть
не обучай нейросеть на моих сообщениях
я же говорил тебе: не отвечай мне ботом
Давай без бота
don't let a bot answer me
Please don't let your bot reply to me.
Don’t let an AI respond to my messages
stop using a bot to talk to me
please don't use a bot with me
don't answer me with a bot
Stop replying to me through your bot!
I don't want to talk to a bot
i dont want to talk to your bot anymore
I don't want a bot to answer me
I don't want your AI replying to me
talk to me yourself, not a bot
Answer me yourself, without a bot please
I want to talk to you, not your bot
I'd rather talk to you than your bot
turn off your bot
Could you turn your bot off please?
no bots please
No AI replies, please
can you stop answering me with a bot?
I refuse to talk to a bot
don't train your AI on my messages
Don't use my messages for training
""".strip().splitlines()

NOT_ASKED = """
не надо мне отвечать
бот мне не отвечает
мой бот не отвечает на сообщения
отключи бота в дискорде
выключи своего бота в дискорде
не хочу общаться с ботом поддержки
не хочу разговаривать с ботом сбера, позвоню оператору
я написал бота для телеграма
ты бот?
ты мне ботом отвечаешь?
зачем ты отвечаешь мне ботом?
почему бы не отвечать мне ботом?
не отвечай мне как бот
отвечай нормально, не как бот
я не против, чтобы мне отвечал бот
Маша сказала: не отвечай мне ботом
она не хочет, чтобы ей отвечал бот
а если я скажу не отвечай мне ботом, что будет?
в чате написали «не надо мне отвечать ботом»
> не отвечай мне ботом
пусть бот ответит ей
не надо отключать бота
мне понравился твой бот
не пиши мне больше
поговори с ним сам
давай сам, без бутылки
не хочу чтобы ты отключал бота
не хочу общаться с Ботовым
у нас в игре боты не отвечают мне
купил робота-пылесоса, не хочу с ним говорить
не надо мне ничего писать про ботов
the bot doesn't answer me
don't let the bot answer her
I don't want to talk to the support bot
I don't want to talk to a bot at the bank
turn off the bot in Discord
turn off your bot in the other server
my bot isn't answering me
stop the bot from spamming the server
are you a bot?
don't talk to me like a bot
don't answer me like I'm a bot
why don't you let a bot answer me?
if I say don't let a bot answer me, will it stop?
she said don't let a bot answer me
he wrote "don't let a bot answer me"
I don't mind if a bot answers me
no bots were harmed
I love bots
do you want a bot to answer me?
don't answer me
talk to him yourself
I trained an AI on my messages
let your bot answer me
I want to talk to your bot
""".strip().splitlines()


@pytest.mark.parametrize("text", ASKED)
def test_own_wish_is_found(text: str) -> None:
    assert OptOutWords().ask(text)


@pytest.mark.parametrize("text", NOT_ASKED)
def test_other_talk_of_bots_is_none(text: str) -> None:
    assert not OptOutWords().ask(text)


def test_own_patterns_are_added() -> None:
    words = OptOutWords([r"^stop$", "schluss mit dem bot"])
    assert words.ask("STOP")
    assert words.ask("Bitte Schluss mit dem Bot!")
    assert not words.ask("stop it")
    assert words.ask("не отвечай мне ботом")


def test_invisible_characters_hide_nothing() -> None:
    assert OptOutWords().ask("не отве\u200bчай мне бо\u00adтом")
