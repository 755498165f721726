"""The scripting interface: acting as people, and looking at their chats."""

from __future__ import annotations

import asyncio

import pytest
from loopback_bench import START, Bench
from telethon.errors import RPCError

from userbot.loopback import media
from userbot.loopback.stage import Stage


@pytest.fixture
async def stage(bench: Bench) -> Stage:
    return Stage(bench.world, bench.actions, logins=bench.logins)


async def test_people_and_chats_get_ids_of_their_kind(stage: Stage) -> None:
    first, service = stage.add_user("Anna"), stage.add_user("Telegram", user_id=777000)
    assert (stage.add_user("Boris").user_id, service.user_id) == (first.user_id + 1, 777000)
    assert stage.add_group("Team", [first]).chat_id == -500_001
    assert stage.add_channel("Big", [first]).chat_id == -1_000_000_500_001


async def test_a_conversation_is_seen_by_each_side(bench: Bench, stage: Stage) -> None:
    sent = await stage.send(bench.vera, bench.owner, "hi", date=START)
    reply = await stage.send(bench.owner, bench.vera, "hello", reply_to=1, media=media.photo())
    await stage.edit(bench.owner, bench.vera, reply.id, text="hello!")
    assert (sent.date, sent.out) == (START, True)
    seen = stage.conversation(bench.vera, bench.owner)
    assert [(m.text, m.sender.first_name, m.out, m.reply_to_id, m.edited) for m in seen] == [
        ("hi", "Vera", True, None, False),
        ("hello!", "Owner", False, 1, True),
    ]


async def test_messages_are_deleted_and_forwarded(bench: Bench, stage: Stage) -> None:
    team = stage.add_channel("Big", [bench.owner, bench.vera])
    posted = await stage.send(bench.vera, team, "news")
    (note,) = await stage.forward(bench.owner, team, [posted.id], to=bench.owner)
    await stage.delete(bench.vera, team, [posted.id])
    assert stage.conversation(bench.owner, team) == []
    assert [message.text for message in stage.conversation(bench.owner, bench.owner)] == ["news"]
    await stage.delete(bench.owner, bench.owner, [note.id], revoke=False)
    assert stage.conversation(bench.owner, bench.owner) == []


async def test_reading_and_drafts_show(bench: Bench, stage: Stage) -> None:
    await stage.send(bench.vera, bench.owner, "hi")
    assert (stage.unread(bench.owner, bench.vera), stage.draft(bench.owner, bench.vera)) == (1, "")
    await stage.read(bench.owner, bench.vera)
    await stage.save_draft(bench.owner, bench.vera, "hm")
    assert (stage.unread(bench.owner, bench.vera), stage.draft(bench.owner, bench.vera)) == (0, "hm")


async def test_friends_are_in_each_others_contacts(bench: Bench, stage: Stage) -> None:
    stage.befriend(bench.owner, bench.vera)
    assert bench.vera.user_id in bench.owner.contacts
    assert bench.owner.user_id in bench.vera.contacts


async def test_the_login_code_is_the_same_for_all_until_it_is_changed(bench: Bench, stage: Stage) -> None:
    assert stage.login_code == "12345"
    stage.login_code = "54321"
    assert bench.logins.code == "54321"


@pytest.mark.parametrize("url", ["tg://login?token=AAAA", "tg://login", "no address"])
async def test_a_qr_code_for_which_no_login_waits_is_refused(bench: Bench, stage: Stage, url: str) -> None:
    with pytest.raises(ValueError, match="No login waits for this QR code"):
        await stage.accept_login(url, bench.owner)


async def test_waiting_ends_when_the_condition_is_true_or_the_time_is_over(bench: Bench, stage: Stage) -> None:
    waiting = asyncio.create_task(stage.wait_for(lambda: stage.conversation(bench.owner, bench.vera)))
    await asyncio.sleep(0)
    await stage.send(bench.vera, bench.owner, "hi")
    stage._changed()
    assert [message.text for message in await waiting] == ["hi"]
    with pytest.raises(TimeoutError):
        await stage.wait_for(lambda: False, timeout_s=0.01)


async def test_account_takes_another_name_and_username_and_nobody_takes_a_used_one(bench: Bench, stage: Stage) -> None:
    await stage.rename(bench.vera, first_name="Mama", last_name="M", username="mama")
    assert (bench.vera.first_name, bench.vera.last_name, bench.vera.username) == ("Mama", "M", "mama")
    with pytest.raises(RPCError, match="USERNAME_OCCUPIED"):
        await stage.rename(bench.owner, username="MAMA")
    await stage.rename(bench.vera)
    assert (bench.vera.first_name, bench.vera.username) == ("Mama", None)


async def test_forward_of_a_hidden_author_names_no_account(bench: Bench, stage: Stage) -> None:
    sent = await stage.send(bench.vera, bench.owner, "hi")
    number = stage.conversation(bench.owner, bench.vera)[-1].id
    [copy] = await stage.forward(bench.owner, bench.vera, [number], to=bench.owner, hidden=True)
    header = bench.owner.box.messages[copy.id].forward
    assert (header.from_id, header.from_name, sent.text) == (None, "Vera", copy.text)
