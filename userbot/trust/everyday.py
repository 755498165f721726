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

_PLAIN = """
above across act add afraid against age ago agree air allow almost alone along already alright although always
among angry apart appear apple area arm arrive art asleep aunt away back bag ball band bank bar barn bath beach
bear beat beautiful become bed bedroom before begin behind believe bell belong below beside bet between bike bill
bird bit black blood blow blue board boat body born boss both bottle bottom bowl box brain branch break bridge
bright broken brown build building burn business butter button cake camera camp card care carry case catch cause
center central chair chance change cheap check cheers cheese chicken child children choice choose christmas church
circle clean clear climb clock close closed cloth clothes cloud club coat colour color common company complete
computer concert control cook copy corner correct cost count country couple course court cousin cover cross cry cup
cut dance dangerous dark date dead deal dear death deep delay deliver desk die different difficult direct dirty
discuss doctor double doubt down draw dream dress drink drive driving driver drop dry duck due during dust duty
each ear earth east easy edge egg either electric else email empty enjoy enough enter entire equal even event ever
exam example except excited expect expensive explain extra eye face fact fail fair fall falling false family fam
far farm fast fat fault favour favorite favourite fear feed field fight fill final finally finger finish fire fish
fit fix flat flight floor flower fly follow foot football forest forget form forward fresh fridge front fruit full
future garden gate gas glass glad goal gold grass grey green ground grow guess half hall hand handle hang happen
hard hat hate head health heart heat heavy height high hill history hit hold hole horse hospital hotel huge human
hungry hurry hurt ice imagine important inside instead interest intro island issue jacket join joke journey juice
jump keep key kick kill kind king kiss knee knife lady lake land language large laugh law lazy lead leaf learn
least leg lend lesson letter level library lie life lift light line list listen live living local lock long lose
lost loud low luck lucky main map mark market married match matter meal mean meat medicine member memory menu merry
metal middle mile milk mind miss mistake mix moment mood moon mother mountain mouse mouth move mud museum must
nature near neck neighbour neither net news noise none normal north nose note notice object obvious obviously odd
off offer office often oil once onion online open opinion orange order outside oven over own pack page paint pair
paper parent park parking pass past path pattern pen per perhaps person pet piano piece pig pile pink plant plate
play player plenty plumber pocket police polite pool poor pop popular possible post pot potato pound power practice
prefer present press pretty price prize project promise proper proud pull push put quick quiet quite radio rather
reach read reason receive record red remember rent repair repeat reply rest restaurant rice rich ride ring rise
river road roast rock roll roof round row rule run rush safe salt sand sandwich save scene scissors score sea
search seat secret seem sell serious serve set several shake shape share shark sharp shine ship shirt shoe shoot
shopping shore short shorten shot shoulder shout show shower shut side sign silent silly silver simple since sing
sit size skin skirt sky slow smart smell smile smoke smooth soap sock soft soil soldier solve soup sour south space
speak special speed spell spend spoon sport spot spread spring square stage stairs stamp stand star state stay
steak steal step stick stone stop storm story straight strange stream strong student study stupid style success
sudden sugar suit summer sun support suppose surprise sweet swim table tail tall tape taste teach team tear
terrible test theatre thick thin third threw throat through throw ticket tidy tie tight tiny tip title toe together
toilet tomato tongue tool tooth top total touch towards towel tower town toy trade traffic trash travel tree trip
trouble trousers truck true trust truth turn twice type ugly uncle under understand uniform unless until upset
usual vegetable view village visit voice wake walk wall war warn wash waste weak wear wedding weight west wet wheel
while white whole wide wild win wind wing winter wish without wonder wood worker world worry worth wrap yard yellow
young zero zoo автор адресат алло банк батарея белый билет блюдо богатый бок больница брать будильник бумага
бутылка важно важный ванна ваза веселый весело ветер вещь вид вилка вкус вкусно власть внимание внук внутри война
волосы ворота воздух врать врач вход выбор выйти высокий выход газета глаз глупо глубокий голос голый голубой горло
горький горячий готов готово готовый грязный грустный губа далеко дальше двор деревня дерево дешево дешёвый длинный
дождик доктор долгий дорога дорогой доска драка дружба думать духовка дым дырка дышать ехать жаркий желтый жёлтый
жесть живой живот жизнь жить забота забор завод задача закон закрыто закрыть запах запись зарплата заяц звезда
звонок здание здоровый зеленый зелёный земля зеркало зло злой злая знак знание золото зонт зуб игрушка известно
известный интересно интересный искать история карта картина картошка карман каша квартира килограмм клуб ключ
кнопка ковер кожа колесо колено команда конфета корабль кормить коробка короткий кость костюм край красивая красный
кресло кричать кровать кровь крыша кузов куртка курица кусок лампа легкий лёгкий легко лед лёд лежать лекция
ленивый лестница летать лист лицо ложка ложь лошадь луна лук лужа масло материал медленный мелкий мера мертвый
мечта мешок мир молоко молчать мороз морковь мост мотор мужчина мука муха мыло мысль мягкий набор надежный назад
народ начать небо недорого нижний низкий новость нога нож нос носить носки нравиться обещать обещал обещала область
облако обувь общий общество овощ огонь огород огромный одеяло озеро описание опыт осторожно остров отдел отец
открыто открыть ошибка падать падали падение палец память пауза перед перец песок петь печка пилот пирог письмо
пить плавать плакать платить платье плечо плита пляж победа повар позже пол поле полка полный половина помощь
портфель порядок посуда потолок похожий почва правило право прав предмет привычка пример природа причина простой
простыня против прямо птица пустой путь пыль пятно работник радость разговор размер разный ракета рассказ растение
ребята редко река рис рисовать родители роза рот рубашка рука ряд сад сахар свет светлый свадьба свинья свобода
сила сильный синий система скорость скучно слабый сладкий слеза слух случай слышать смерть смех снимать собрание
совет солнце соль сон сосед состав спина спокойно спор способ справа среди срочно старик стакан стена стиль стирать
стол сторож страна странно страх строить стул сумка сухой счет счёт сыр сюрприз тарелка театр тело темно темный
тема тетрадь тихо тихий товар толпа толстый тонкий точка трава труба труд туман тяжело тяжкий тяжелый ударить угол
узкий уметь ум умный урок условие ухо учитель учиться фабрика фрукт ходить холм хозяин цвет цветок цель цена центр
цирк часть черный чёрный чистый число читать чувство чудо чудеса чужой шапка шаг шея широкий шкаф шум щека экзамен
яблоко яйцо язык ящик кабинет объявление жив домашка
"""
"""Common words that are no names, though they begin a message with a capital letter and stand alone in it."""

_FIRST_NAMES = """
александр саша шура андрей алексей леша лёша антон антоша артем артём артур борис боря вадим валера валерий
василий вася виктор витя виталий влад владимир вова володя вячеслав слава геннадий гена георгий гоша глеб
григорий гриша даниил даня денис дмитрий дима евгений женя егор иван ваня игорь илья кирилл константин костя
лев леонид лёня максим макс марк матвей михаил миша никита николай коля олег павел паша петр пётр петя роман
рома руслан семен сергей сережа серёжа станислав стас степан тимофей тимур федор фёдор филипп эдуард юрий юра
ярослав алена алёна алина алиса алла анастасия настя ангелина анна аня валентина валя валерия лера вера
вероника виктория вика галина галя дарья даша диана ева евгения екатерина катя елена лена елизавета лиза жанна
зоя инна ирина ира карина кира кристина ксения ксюша лариса лидия лида любовь люба людмила люда маргарита рита
марина мария маша надежда надя наталья наташа нина оксана олеся ольга оля полина раиса светлана света софия
соня татьяна таня ульяна юлия юля яна james jim john robert bob michael mike william will bill david dave
richard joseph joe thomas tom charles charlie chris daniel dan matthew matt anthony tony mark donald steven
steve paul andrew andy joshua josh kenneth ken kevin brian george tim jason jeff ryan jacob gary nick eric
jonathan stephen larry justin scott brandon ben benjamin sam samuel greg frank alex patrick jack dennis jerry
tyler aaron adam nathan henry peter pete zach kyle luke mary patricia jennifer jen linda elizabeth liz barbara
susan sue jessica jess sarah sara karen lisa nancy betty sandra ashley emily kim donna emma michelle carol
amanda melissa deborah laura rebecca becky sharon cynthia kate katie kathy amy anna ann anne angela helen
maria rachel diane julie olivia victoria vicky kelly christina joan judy grace rose alice sophie lucy hannah
megan molly ellie chloe lily zoe trevor
"""

_DATES = frozenset(
    {(1, 1), (31, 12), (7, 1), (14, 2), (23, 2), (8, 3), (1, 4), (1, 5), (9, 5), (12, 6), (1, 9), (31, 10), (25, 12)}
)


@lru_cache(maxsize=100_000)
def is_stop(word: str) -> bool:
    """Tell whether a word carries no content."""
    return word.lower() in _words(_STOP)


@lru_cache(maxsize=100_000)
def is_plain_word(word: str) -> bool:
    """Tell whether a word is a common one as it stands there, in whatever case."""
    return clean(word).lower() in _words(_PLAIN)


@lru_cache(maxsize=100_000)
def is_first_name(word: str) -> bool:
    """Tell whether a word is one of the commonest first names, which tells little by itself."""
    return fold(word) in _name_forms() and len(word) > 2


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
    if len(digits) == 3 and digits.endswith("0") and digits[0] != "0":
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


@cache
def _name_forms() -> frozenset[str]:
    return frozenset(fold(name) for name in _words(_FIRST_NAMES))
