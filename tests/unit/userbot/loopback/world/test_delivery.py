"""Who is notified of what, and on which sessions."""

from __future__ import annotations

from loopback_bench import Bench, Device
from telethon.tl import types

from userbot.loopback.world.actions import Outgoing


def test_every_connected_session_but_the_origin_gets_the_update(bench: Bench, phone: Device, veras: Device) -> None:
    tablet = Device(bench, bench.owner)
    bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("hi"), origin=phone.session)
    assert phone.messages == []
    for device in (tablet, veras):
        assert [update.message.message for update in device.updates(types.UpdateNewMessage)] == ["hi"]


def test_an_update_carries_the_people_that_it_names(bench: Bench, veras: Device) -> None:
    bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("hi"))
    (message,) = veras.messages
    assert [user.first_name for user in message.obj.users] == ["Owner"]


def test_sessions_without_updates_or_with_an_ended_login_hear_nothing(bench: Bench, phone: Device) -> None:
    ended, quiet = Device(bench, bench.owner), Device(bench, bench.owner)
    ended.authorization.refusal = (401, "SESSION_REVOKED")
    quiet.session.receives_updates = False
    bench.actions.send(bench.vera, bench.owner.user_id, Outgoing("hi"))
    assert (len(phone.messages), ended.messages, quiet.messages) == (1, [], [])


def test_a_missed_update_is_not_pushed_and_still_counted(bench: Bench, phone: Device) -> None:
    bench.owner.missed_updates = 1
    for text in ("missed", "heard"):
        bench.actions.send(bench.vera, bench.owner.user_id, Outgoing(text))
    (update,) = phone.updates(types.UpdateNewMessage)
    assert (update.message.message, update.pts) == ("heard", 3)


def test_sequenced_updates_are_numbered_per_key_even_when_they_are_missed(bench: Bench, phone: Device) -> None:
    bench.owner.missed_updates = 1
    for text in ("missed", "heard"):
        bench.actions.save_draft(bench.owner, bench.vera.user_id, text)
    assert [message.obj.seq for message in phone.messages] == [3]


def test_a_text_may_come_in_the_short_form_without_users(bench: Bench, phone: Device) -> None:
    bench.world.short_updates = True
    bench.actions.send(bench.vera, bench.owner.user_id, Outgoing("hi"))
    (message,) = phone.messages
    assert isinstance(message.obj, types.UpdateShortMessage)
    assert (message.obj.user_id, message.obj.message) == (bench.vera.user_id, "hi")


def test_every_change_is_announced_also_when_nobody_is_connected(bench: Bench) -> None:
    bench.actions.send(bench.vera, bench.owner.user_id, Outgoing("hi"))
    assert bench.changes == 2
