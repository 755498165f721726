"""The daemon against a loopback Telegram: who is answered, who is not, and what survives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from daemon_stage import DaemonStage, read_daemon_state
from fakes_reply import ScriptedGenerator
from telegram_stage import wait_until

from userbot.daemon.pulling import read_pull
from userbot.domain.errors import SessionBusyError
from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin
from userbot.loopback import LoopbackTelegram
from userbot.store.replies import ReplyState


@pytest.fixture
async def stage(server: LoopbackTelegram, tmp_path: Path) -> DaemonStage:
    return await DaemonStage.set_up(server, tmp_path / "home")


async def test_burst_of_an_allowed_friend_gets_one_answer_and_a_stranger_gets_nothing(stage: DaemonStage) -> None:
    generator = ScriptedGenerator("hey|you too?")
    async with stage.daemon(generator):
        await stage.server.send(stage.stranger, stage.owner, "buy this")
        await stage.server.send(stage.vera, stage.owner, "hi")
        await stage.server.send(stage.vera, stage.owner, "at home?")
        assert await stage.heard(stage.vera, 2) == ["hey", "you too?"]
        await asyncio.sleep(0.5)
        assert stage.replies(stage.stranger) == []
    assert [prompt.turns[-1].bubbles for prompt in generator.prompts] == [("hi", "at home?")]
    reads = {call.request.peer.user_id for call in stage.server.calls_of("messages.readHistory", stage.owner)}
    assert reads == {stage.vera.user_id}
    with stage.open_store() as store:
        assert store.chats.get(stage.stranger.user_id) is None
        assert (store.messages.count(Origin.CONTACT), store.messages.count(Origin.CLONE)) == (2, 2)
        assert read_daemon_state(store).state == "stopped"


async def test_secret_of_another_chat_is_withheld_and_the_owner_is_told_without_its_words(
    stage: DaemonStage, caplog: pytest.LogCaptureFixture
) -> None:
    with stage.open_store() as store:
        store.chats.save([Chat(id=4242, kind=ChatKind.PRIVATE, title="Ann")])
        at = store.clock()
        said = Message(chat_id=4242, id=1, origin=Origin.OWNER, sent_at=at, text="our dog is Bublik, the door is 4711")
        store.messages.add([said])
    generator = ScriptedGenerator("the door is 47 11", "see you at seven")
    async with stage.daemon(generator):
        await stage.server.send(stage.vera, stage.owner, "which code?")
        await wait_until(stage.notes)
        assert stage.replies(stage.vera) == []
        await stage.server.send(stage.vera, stage.owner, "ok, when?")
        assert await stage.heard(stage.vera, 1) == ["see you at seven"]
    [note] = stage.notes()
    assert "Vera" in note and "a number that only other chats hold" in note
    assert "47" not in note.replace(str(stage.vera.user_id), "")
    with stage.open_store() as store:
        assert [answer.text for answer in store.withheld.newest(limit=9)] == ["the door is 47 11"]
        assert ReplyState.WITHHELD in {decision.state for decision in store.replies.newest(limit=9)}
    assert "47 11" not in caplog.text


async def test_owner_on_the_phone_takes_the_chat_over(stage: DaemonStage) -> None:
    gate = asyncio.Event()
    generator = ScriptedGenerator(gate=gate)
    async with stage.daemon(generator):
        await stage.server.send(stage.vera, stage.owner, "hi")
        await wait_until(lambda: generator.prompts)
        await stage.server.send(stage.owner, stage.vera, "I am here myself")
        await wait_until(lambda: generator.cancelled)
        gate.set()
        await stage.server.send(stage.vera, stage.owner, "great")
        await asyncio.sleep(0.8)
        assert stage.replies(stage.vera) == ["I am here myself"]
    with stage.open_store() as store:
        chat = store.chats.get(stage.vera.user_id)
        assert chat is not None and chat.paused_until is not None
        assert store.replies.newest()[0].reason == "the chat is paused"


async def test_own_answers_are_never_taken_for_the_owner(stage: DaemonStage) -> None:
    async with stage.daemon():
        for number, text in enumerate(["hi", "at home?", "shall I come", "bringing some cake then"], 1):
            await stage.server.send(stage.vera, stage.owner, text)
            await stage.heard(stage.vera, number)
        await asyncio.sleep(1.2)  # a round of the reconciler, which reads the chat's history
    with stage.open_store() as store:
        chat = store.chats.get(stage.vera.user_id)
        assert chat is not None and chat.paused_until is None
        assert (store.messages.count(Origin.OWNER), store.messages.count(Origin.CLONE)) == (0, 4)


async def test_messages_of_an_absence_are_answered_once(stage: DaemonStage) -> None:
    async with stage.daemon():
        await stage.server.send(stage.vera, stage.owner, "first")
        await stage.heard(stage.vera, 1)
    await stage.server.send(stage.vera, stage.owner, "while you were away")
    async with stage.daemon():
        assert await stage.heard(stage.vera, 2) == ["re: first", "re: while you were away"]
        await asyncio.sleep(0.5)
        assert len(stage.replies(stage.vera)) == 2


async def test_draft_mode_leaves_a_draft_only(stage: DaemonStage) -> None:
    stage.allow(stage.vera, Mode.DRAFT)
    async with stage.daemon(ScriptedGenerator("maybe|tomorrow")):
        await stage.server.send(stage.vera, stage.owner, "when?")
        await wait_until(lambda: stage.server.draft(stage.owner, stage.vera))
        assert stage.server.draft(stage.owner, stage.vera) == "maybe\ntomorrow"
        await asyncio.sleep(0.3)
        assert stage.replies(stage.vera) == []
    assert stage.server.calls_of("messages.readHistory", stage.owner) == []
    with stage.open_store() as store:
        assert store.replies.newest()[0].state is ReplyState.DRAFTED


async def test_second_daemon_on_the_same_session_is_refused(stage: DaemonStage) -> None:
    async with stage.daemon() as first:
        with pytest.raises(SessionBusyError, match="uses the Telegram session"):
            async with stage.daemon():
                pass
        assert not first.done()
        await stage.server.send(stage.vera, stage.owner, "hi")
        assert await stage.heard(stage.vera, 1) == ["re: hi"]


async def test_owner_commands_come_from_saved_messages_only(stage: DaemonStage) -> None:
    async with stage.daemon(ScriptedGenerator("no|no way")):
        await stage.server.send(stage.vera, stage.owner, "/clone off @vera")
        assert await stage.heard(stage.vera, 2) == ["no", "no way"]
        await stage.server.send(stage.owner, stage.owner, "/clone status")
        saved = stage.owner
        await wait_until(lambda: len(stage.server.conversation(saved, saved)) == 2)
        answer = stage.server.conversation(saved, saved)[-1].text
        assert answer.startswith("[clone] Daemon: connected")
        assert "· Vera: auto" in answer
        await stage.server.send(stage.owner, stage.owner, "/clone undo")
        await wait_until(lambda: len(stage.server.conversation(saved, saved)) == 4)
        assert stage.replies(stage.vera) == []


async def test_forwarded_answer_is_explained(stage: DaemonStage) -> None:
    saved = stage.owner
    async with stage.daemon(ScriptedGenerator("the first one", "another answer")):
        for number, text in enumerate(["hi", "and now?"], 1):
            await stage.server.send(stage.vera, stage.owner, text)
            await stage.heard(stage.vera, number)
        first = next(m for m in stage.server.conversation(stage.owner, stage.vera) if m.text == "the first one")
        [copy] = await stage.server.forward(stage.owner, stage.vera, [first.id], to=stage.owner)
        await stage.server.send(stage.owner, stage.owner, "/clone why", reply_to=copy.id)
        await wait_until(lambda: len(stage.server.conversation(saved, saved)) == 3)
        explanation = stage.server.conversation(saved, saved)[-1].text
    with stage.open_store() as store:
        oldest = store.replies.newest(limit=9)[-1]
    assert f"Answers message: {oldest.trigger_id}" in explanation
    assert "Adapter: a1" in explanation


async def test_stranger_is_allowed_by_name_from_saved_messages(stage: DaemonStage) -> None:
    async with stage.daemon():
        await stage.server.send(stage.stranger, stage.owner, "hello")
        await stage.server.send(stage.owner, stage.owner, "/clone allow @nobody")
        await wait_until(lambda: len(stage.server.conversation(stage.owner, stage.owner)) == 2)
        question = stage.server.conversation(stage.owner, stage.owner)[-1]
        named = f"Stranger (id {stage.stranger.user_id}, @nobody, last message "
        assert question.text.startswith(f"[clone] To be done: answer {named}")
        await stage.server.send(stage.owner, stage.owner, "yes", reply_to=question.id)
        await wait_until(lambda: len(stage.server.conversation(stage.owner, stage.owner)) == 4)
        done = stage.server.conversation(stage.owner, stage.owner)[-1].text
        assert done == f"[clone] Stranger (id {stage.stranger.user_id}, @nobody) is answered from now on."
        await stage.server.send(stage.stranger, stage.owner, "are you there?")
        assert await stage.heard(stage.stranger, 1) == ["re: are you there?"]


@pytest.mark.parametrize("name", ["Anna", "@", ""])
async def test_nobody_is_allowed_by_a_name_that_fits_several(stage: DaemonStage, name: str) -> None:
    for number in range(2):
        namesake = stage.server.add_user("Anna")
        await stage.server.send(namesake, stage.owner, f"hi from {number}")
    async with stage.daemon():
        with stage.open_store() as store:
            command = store.commands.leave("allow", name)
            await wait_until(lambda: store.commands.read_answer(command) is not None)
            assert [chat.id for chat in store.chats.allowed()] == [stage.vera.user_id]


async def test_command_of_another_process_is_carried_out(stage: DaemonStage) -> None:
    async with stage.daemon():
        with stage.open_store() as store:
            number = store.commands.leave("pause", "2h")
            await wait_until(lambda: store.commands.read_answer(number))
            answer = store.commands.read_answer(number)
            assert answer is not None and answer.text.startswith("Paused until") and not answer.failed
        await stage.server.send(stage.vera, stage.owner, "hi")
        await asyncio.sleep(0.6)
        assert stage.replies(stage.vera) == []


async def test_drops_and_floods_do_not_lose_or_double_an_answer(stage: DaemonStage) -> None:
    async with stage.daemon(ScriptedGenerator("one|two|three")):
        stage.server.faults.flood_wait("messages.sendMessage", 1)
        await stage.server.send(stage.vera, stage.owner, "hi")
        assert (await stage.heard(stage.vera, 1, timeout_s=15))[0] == "one"
        stage.server.faults.drop("messages.sendMessage", "after")
        assert await stage.heard(stage.vera, 3, timeout_s=30) == ["one", "two", "three"]
        await asyncio.sleep(0.3)
        assert len(stage.replies(stage.vera)) == 3


async def test_history_is_fetched_while_the_daemon_answers(stage: DaemonStage) -> None:
    for number in range(7):
        await stage.server.send(stage.stranger, stage.owner, f"message {number}")
    async with stage.daemon():
        with stage.open_store() as store:
            command = store.commands.leave("pull", "Stranger")
            await wait_until(lambda: store.commands.read_answer(command))
            answer = store.commands.read_answer(command)
            named = f"Stranger (id {stage.stranger.user_id}, @nobody, last message "
            assert answer is not None and answer.text.startswith(f"Fetching the history of {named}")
            await stage.server.send(stage.vera, stage.owner, "hi")
            await stage.heard(stage.vera, 1)
            await wait_until(lambda: read_pull(store).text is not None)
            assert read_pull(store).text == "7 new messages from 1 chat."
            assert store.messages.count(Origin.CONTACT) == 8
            chat = store.chats.find("Stranger")
            assert chat.mode is Mode.OFF
    assert stage.replies(stage.stranger) == []
