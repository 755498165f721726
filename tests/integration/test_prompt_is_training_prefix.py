"""What the clone is asked to continue is what it was trained on, from the store to the token ids."""

from __future__ import annotations

import example_tokenizers as tokenizers
import pytest
from fakes import bubble

from training.config import DataConfig
from training.data.dataset import build
from training.data.render import Renderer
from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.reply.context import build_context, find_burst
from userbot.store import Store

CONTACT, OWNER = Origin.CONTACT, Origin.OWNER


def named(message: Message, name: str) -> Message:
    values = {field: getattr(message, field) for field in message.__slots__}
    return Message(**{**values, "sender_name": name})


@pytest.mark.parametrize("kind", [ChatKind.PRIVATE, ChatKind.GROUP])
@pytest.mark.parametrize("text_format", ["chat", "text"])
def test_prompt_of_the_reply_path_is_the_one_that_was_trained_on(
    store: Store, kind: ChatKind, text_format: str
) -> None:
    store.chats.save([Chat(id=101, kind=kind, title="Vera")])
    store.chats.record_consent(101, by="Vera")
    store.chats.set_relationship(101, "my sister")
    lines = [
        (OWNER, "hey"),
        (OWNER, "you up?"),
        (CONTACT, "yes\nI am"),
        (OWNER, "ok )"),
        (CONTACT, "and?"),
        (CONTACT, "so?"),
    ]
    messages = [named(bubble(n, text, origin=who, at_s=n * 60), "Vera") for n, (who, text) in enumerate(lines, start=1)]
    old = [bubble(900 + n, "old words", origin=who, at_s=-9e5 + n) for n, who in enumerate((CONTACT, OWNER))]
    answer = bubble(50, "nothing", origin=OWNER, at_s=900)
    later = [bubble(60 + n, "later words", origin=who, at_s=9e5 + n) for n, who in enumerate((CONTACT, OWNER))]
    tokenizer = tokenizers.byte_level()
    renderer = Renderer(tokenizer, "text" if text_format == "text" else "chat")

    store.messages.add([*old, *messages, answer, *later])
    config = DataConfig.model_validate({"min_turns": 1, "held_out": 0.01})
    data_set = build(store, config, count_tokens=renderer.count)
    sample = next(s for s in data_set.train if s.newest_at == answer.sent_at)
    encoded = renderer.encode(sample)

    chat = store.chats.get(101)
    assert chat is not None
    window = [message for message in store.messages.window(101, limit=50) if message.sent_at < answer.sent_at]
    context = build_context(chat, window, find_burst(window, handled_id=0))
    ids = renderer.prompt(context.prompt.turns, system=context.prompt.system)
    assert ids == list(encoded.ids[: len(ids)])
    supervised = [
        token for token, flag in zip(encoded.ids[len(ids) :], encoded.loss_mask[len(ids) :], strict=True) if flag
    ]
    assert renderer.parse(tokenizer.decode(supervised)) == ("nothing",)
