"""What must stay private, judged as the reply path does: reply by reply, with the burst and what was said before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import START, FakeClock, bubble
from fakes_reply import Core, ScriptedGenerator, contact_says

from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin, Reply
from userbot.reply.policy import PolicyInput
from userbot.reply.privacy import PrivacyGuard
from userbot.store import Store
from userbot.trust.detectors import CustomPattern
from userbot.trust.disclosure import DisclosureIndex


@pytest.fixture
def situation(store: Store, friend: Chat, clock: FakeClock) -> PolicyInput:
    store.chats.save([Chat(id=202, kind=ChatKind.PRIVATE, title="Other")])
    store.messages.add([bubble(1, "у нас Бублик, код 4711", origin=Origin.OWNER, chat_id=202)])
    burst = (contact_says(1, "привет", clock),)
    return PolicyInput(
        chat=friend, burst=burst, window=burst, mentioned=False, paused_until=None, owner_seen_at=START,
        replies_in_hour=0, replies_in_day=0, replies_without_owner=0,
    )  # fmt: skip


def _make_guard(store: Store, together: int = 8, *patterns: CustomPattern) -> PrivacyGuard:
    guard = PrivacyGuard(DisclosureIndex(store.disclosure), together=together, patterns=patterns)
    assert guard.is_ready()
    return guard


def _inspect(guard: PrivacyGuard, situation: PolicyInput, *bubbles: str) -> str | None:
    finding = guard.inspect(Reply(bubbles=bubbles), situation)
    return None if finding is None else finding.kind


def _clone_said(situation: PolicyInput, *texts: str) -> PolicyInput:
    window: list[Message] = []
    for n, text in enumerate(texts):
        window.append(replace(situation.burst[0], id=100 + 2 * n, text="и?"))
        window.append(replace(situation.burst[0], id=101 + 2 * n, text=text, origin=Origin.CLONE))
    return replace(situation, window=(*window, *situation.burst))


def _asked(situation: PolicyInput, *texts: str) -> PolicyInput:
    window = tuple(replace(situation.burst[0], id=n, text=text) for n, text in enumerate(texts, 1))
    return replace(situation, window=window, burst=window[-1:])


def test_kind_says_what_was_found_and_no_word_of_it(store: Store, situation: PolicyInput) -> None:
    guard = _make_guard(store)
    assert _inspect(guard, situation, "ага", "Бублик") == "a name that only other chats hold"
    assert _inspect(guard, situation, "4711") == "a number that only other chats hold"
    assert _inspect(guard, situation, "норм, а ты?") is None


def test_bubbles_of_one_reply_are_read_together(store: Store, situation: PolicyInput) -> None:
    assert _inspect(_make_guard(store), situation, "47", "11") is not None


def test_so_many_replies_are_judged_together_as_set(store: Store, situation: PolicyInput) -> None:
    told = _clone_said(situation, "47", "ага")
    assert _inspect(_make_guard(store, 3), told, "11") == "a number that only other chats hold"
    assert _inspect(_make_guard(store, 2), told, "11") is None
    assert _inspect(_make_guard(store, 1), _clone_said(situation, "47"), "11") is None


def test_yes_to_a_guess_in_two_messages(store: Store, situation: PolicyInput) -> None:
    guard = _make_guard(store)
    assert _inspect(guard, _asked(situation, "пёс Бублик", "да или нет?"), "да") is not None
    assert _inspect(guard, _asked(situation, "пёс Шарик", "да или нет?"), "да") is None


def test_private_value_by_its_form_though_no_chat_holds_it(store: Store, situation: PolicyInput) -> None:
    guard = _make_guard(store)
    assert _inspect(guard, situation, "пиши на vera.k@example.org") == "a private value of the kind email"
    assert _inspect(guard, _clone_said(situation, "4111 1111"), "1111 1111") is not None


def test_value_that_the_owner_gave_in_this_chat_passes(store: Store, situation: PolicyInput) -> None:
    store.messages.add([bubble(7, "почта vera.k@example.org", origin=Origin.OWNER, chat_id=situation.chat.id)])
    assert _inspect(_make_guard(store), situation, "vera.k@example.org") is None


def test_owner_s_own_patterns_count(store: Store, situation: PolicyInput) -> None:
    guard = _make_guard(store, 8, CustomPattern("орион", r"проект\w* орион\w*"))
    assert _inspect(guard, situation, "это проект орион") == "a private value of the kind private"


def test_nothing_is_judged_while_much_is_not_indexed(store: Store, situation: PolicyInput) -> None:
    store.messages.add(bubble(n, "слово", chat_id=202) for n in range(10, 5000))
    assert not PrivacyGuard(DisclosureIndex(store.disclosure), together=8).is_ready()


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.DRAFT])
@pytest.mark.parametrize(
    "answer", ["с Бубликом", "Б у б л и к", "bublik", "сорок семь|одиннадцать", "4-7-1-1", "Бyблик", "+79161234567"]
)
async def test_reply_path_delivers_and_drafts_no_secret(
    store: Store, situation: PolicyInput, clock: FakeClock, mode: Mode, answer: str
) -> None:
    store.chats.set_mode(101, mode)
    guard = PrivacyGuard(DisclosureIndex(store.disclosure), together=8)
    async with Core(store, clock, ScriptedGenerator(answer, "fine"), privacy=guard) as core:
        await core.receive(situation.chat, contact_says(5, "ну?", clock))
        await core.advance(60)
        assert (core.messenger.sent, core.messenger.drafts, len(core.messenger.notified)) == ([], {}, 1)


async def test_secret_in_pieces_over_several_replies_is_stopped_at_the_last(
    store: Store, situation: PolicyInput, clock: FakeClock
) -> None:
    store.chats.set_mode(101, Mode.AUTO)
    guard = PrivacyGuard(DisclosureIndex(store.disclosure), together=8)
    async with Core(store, clock, ScriptedGenerator(*"Бубли", "к"), privacy=guard) as core:
        for n in range(5, 11):
            await core.receive(situation.chat, contact_says(n, "дальше", clock))
            await core.advance(60)
        assert [text for _, text in core.messenger.sent] == list("Бубли")


@pytest.mark.parametrize(("asked", "sent"), [("пёс Бублик?", []), ("пёс Шарик?", [(101, "да")])])
async def test_yes_to_a_right_guess_is_not_delivered(
    store: Store, situation: PolicyInput, clock: FakeClock, asked: str, sent: list[tuple[int, str]]
) -> None:
    store.chats.set_mode(101, Mode.AUTO)
    guard = PrivacyGuard(DisclosureIndex(store.disclosure), together=8)
    async with Core(store, clock, ScriptedGenerator("да"), privacy=guard) as core:
        await core.receive(situation.chat, contact_says(5, asked, clock))
        await core.advance(60)
        assert core.messenger.sent == sent
