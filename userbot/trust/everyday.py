"""Words, dates and numbers of everyday talk, which are nobody's secret however few chats hold them.

In a store of many chats the number of chats that hold a word tells how common it is; these lists serve a young
store, in which every word is rare. They are short, and were written by hand from what people type in chats.
"""

from __future__ import annotations

from functools import cache, lru_cache

from userbot.trust.normalise import clean, fold

_STOP = """
и в во на с со к ко у о об а но да нет не ни же ли бы то от до из за по под над при про для без через между я ты он
она оно мы вы они меня мне мной тебя тебе тобой его ему им ней нее её них нам нами нас вам вами вас их мой моя мое мои
моего моей твой твоя твое твои свой своя свое свои наш наша наше наши ваш ваша этот эта это эти этого этой тот та те
того той что чего чему чем кто кого кому кем как так там тут здесь где куда когда если чтобы потому поэтому или либо
ещё уже только даже вот ну ага угу эх ой ох ах ого ура блин чё че щас сейчас тоже очень просто вообще вроде типа
короче ладно окей ок спс пж плиз был была было были есть буду будет будем будут быть бывает весь вся всё все всего
всем сам сама само ща ваще кста прост ток оч чо чет чёт пон спс хз мб ток лан
the a an and or but not no yes yeah yep nope of to in on at for with from by about as is are was
were be been being am i you he she it we they me him her us them my your his its our their this that these those there
here what who when where why how which if then than so too very just also only even still yet again ok okay oh hey hi
lol haha hm um uh do does did done have has had will would can could should may might must shall don t s m re ve ll d
im its thats dont cant
"""
_EVERYDAY = """
привет здравствуй здравствуйте здорово хай хей пока доброе добрый утро день вечер ночь спокойной спасибо пожалуйста
извини извините прости сорри сори конечно наверное может можно нельзя надо нужно должен хочу хочешь хочет могу можешь
знаю знаешь знает думаю думаешь понял поняла понятно ясно правда точно верно именно супер класс круто отлично хорошо
плохо нормально норм норма пойдет давай давайте пошли поехали идем иду идешь едет еду приду придешь приеду приехал
пришел ушел буду смогу сделаю сделал сделала делаешь делать скажи сказал сказала говорю говорил напиши написал пишу
звони позвони позвоню наберу жду ждать подожди минут минута минутку час часа часов секунда сегодня завтра вчера
послезавтра позавчера понедельник вторник среда четверг пятница суббота воскресенье выходные неделя месяц год лет раз
потом скоро поздно рано всегда никогда иногда часто снова опять январь февраль март апрель май июнь июль август
сентябрь октябрь ноябрь декабрь весна лето осень зима дом дома домой работа работе школа универ учеба магазин деньги
денег рубль тысяча телефон комп комната кухня дверь окно город улица машина такси метро поезд автобус вокзал станция
остановка самолет кино фильм сериал музыка песня игра книга фото фотка видео смотрю смотрел смотреть посмотри видел
видела слышал слушай слушаю еда есть поесть ужин обед завтрак кофе чай вода пиво вино пицца суп хлеб мясо рыба торт
мама папа мам пап брат сестра бабушка дедушка сын дочь дочка ребенок дети муж жена друг подруга друзья люди человек
парень девушка мужик кот кошка собака пес хороший плохой новый старый большой маленький красивый быстрый первый второй
последний другой любой каждый такой какой много мало больше меньше лучше хуже чуть немного совсем почти около примерно
ровно сразу быстро медленно рад рада люблю нравится скучаю целую обнимаю устал устала сплю спать проснулся болит
голова болею здоровье погода дождь снег холодно тепло жарко день рождения праздник подарок поздравляю отпуск отдых
море дача лес парк гулять погуляем встреча встретимся увидимся вместе один одна никто ничего что-то кто-то где-то
зачем почему сколько откуда куда нет забыл забыла помню помнишь вспомнил найти нашел взять взял дать дай дал купить
купил куплю принес привез забрать заберу отправил скинь скину кинь пришли получил открыл закрыл включи выключи проверь
работает сломалось ссылка файл сообщение чат группа канал номер адрес почта имя слово вопрос ответ проблема дело план
идея смысл время место сторона конец начало телеграм ватсап ютуб гугл яндекс инстаграм айфон андроид россия москва
питер интернет сайт приложение пусть хотя зато именно сначала наконец кстати честно серьезно шутка шучу смешно смеюсь
ржу жаль жалко печально грустно счастье удачи успехов держись молодец умница красавчик дурак черт боже господи божечки
ужас кошмар кайф hello morning evening night day good great nice cool fine bad well right wrong sure maybe thanks
thank please sorry welcome bye see later soon now today tomorrow yesterday tonight monday tuesday wednesday thursday
friday saturday sunday january february march april june july august september october november december week month
year time hour minute second home house work job school class shop store money phone car bus train station plane
street city room door window movie film music song game book photo picture pic video food eat dinner lunch breakfast
coffee tea water beer wine pizza bread mom dad mum brother sister son daughter kid kids baby husband wife friend
friends people man woman guy guys girl boy cat dog new old big small little best better worse much many more less few
lot some any all every other another same first last next one two three four five six seven eight nine ten go going
gone went come coming came get got give gave take took make made say said tell told talk call called write wrote send
sent look looking watch see saw seen hear heard know knew think thought want need like love hope feel wait let try use
used work working help find found leave left bring buy bought pay meet meeting talk sleep sleeping woke tired sick
busy free ready late early happy sad funny weird crazy amazing awesome lovely perfect really actually probably
definitely totally kinda gonna wanna gotta thing things stuff something nothing anything everything someone anyone
everyone nobody place way problem question answer idea plan point part end start name number address word message chat
group link file internet telegram whatsapp youtube google instagram iphone android english russian birthday party
weekend holiday gift weather rain snow cold hot warm god damn wow omg ugh yay aww
"""

_DATES = frozenset(
    {(1, 1), (31, 12), (7, 1), (14, 2), (23, 2), (8, 3), (1, 4), (1, 5), (9, 5), (12, 6), (1, 9), (31, 10), (25, 12)}
)


@lru_cache(maxsize=100_000)
def is_stop(word: str) -> bool:
    """Tell whether a word carries no content."""
    return word.lower() in _words(_STOP)


@lru_cache(maxsize=100_000)
def is_everyday(word: str) -> bool:
    """Tell whether a word, in whatever case and with whatever ending, is one of everyday talk."""
    low = word.lower()
    return is_everyday_word(low) or low[:3] in _beginnings().get(fold(low), ())


@lru_cache(maxsize=100_000)
def is_everyday_word(word: str) -> bool:
    """Tell whether a word is one of everyday talk as it stands there, in whatever case."""
    return word.lower() in _words(_STOP) or word.lower() in _words(_EVERYDAY)


def is_everyday_date(day: int, month: int) -> bool:
    """Tell whether a date is a holiday of everybody's."""
    return (day, month) in _DATES


def is_everyday_number(digits: str) -> bool:
    """Tell whether digits are a round number or a year of our time."""
    if len(digits) <= 7 and digits.endswith(("00", "50")) and digits[:1] != "0":
        return True
    return digits in ("111", "999", "365") or (len(digits) == 4 and digits.startswith("20") and digits[2] in "0123")


@cache
def _words(words: str) -> frozenset[str]:
    return frozenset(part for word in clean(words).split() for part in word.split("-"))


@cache
def _beginnings() -> dict[str, set[str]]:
    # Forms of short words are coarse: `сын` and `синий` have one, so the word must begin as one of the list does.
    beginnings: dict[str, set[str]] = {}
    for word in _words(_STOP) | _words(_EVERYDAY):
        beginnings.setdefault(fold(word), set()).add(word[:3])
    return beginnings
