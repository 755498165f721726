"""A streamed answer: put together from events, whatever the server sends."""

from __future__ import annotations

import httpx
import pytest

from userbot.generator.answer_stream import MALFORMED, Answer, read_answer


async def _read(body: bytes) -> Answer:
    return await read_answer(httpx.Response(200, content=body))


async def test_chat_completion_is_put_together() -> None:
    body = (
        b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n'
        b'data: {"choices": [{"delta": {"content": "he"}}]}\n\n: ping\n\n'
        b'data: {"choices": [{"delta": {"content": "y"}, "finish_reason": "stop"}]}\n\n'
        b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\n\ndata: [DONE]\n\n'
    )
    assert await _read(body) == Answer("hey", "stop", 7, 2)


async def test_completion_is_put_together() -> None:
    body = (
        b'data: {"choices": [{"index": 0, "text": "he", "finish_reason": null}]}\n\n'
        b'data: {"choices": [{"index": 0, "text": "y", "finish_reason": "length"}], "usage": null}\n\n'
        b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\n\ndata: [DONE]\n\n'
    )
    assert await _read(body) == Answer("hey", "length", 7, 2)


async def test_stream_that_breaks_off_has_no_finish() -> None:
    assert await _read(b'data: {"choices": [{"text": "so I"}]}\n\n') == Answer("so I", None)


async def test_line_break_inside_a_bubble_does_not_break_the_stream() -> None:
    body = 'data: {"choices": [{"delta": {"content": "one\u2028two\\nthree"}}]}\r\n\r\ndata: [DONE]\r\n\r\n'
    assert (await _read(body.encode())).text == "one\u2028two\nthree"


@pytest.mark.parametrize(
    "event",
    [
        "<html>",
        '"text"',
        "[]",
        "5",
        "null",
        '{"error": "no"}',
        '{"choices": [1]}',
        '{"choices": {"a": 1}}',
        '{"choices": [{"text": 5}]}',
        '{"choices": [{"delta": "x"}]}',
        '{"choices": [{"delta": {"content": 5}}]}',
        '{"usage": "x"}',
        '{"usage": {"prompt_tokens": "many"}}',
        "[" * 100_000,
    ],
)
async def test_event_of_any_other_shape_is_malformed(event: str) -> None:
    with pytest.raises(MALFORMED):
        await _read(f"data: {event}\n\n".encode())


async def test_answer_without_end_is_given_up() -> None:
    with pytest.raises(ValueError, match="too long"):
        await _read(b'data: {"choices": [{"delta": {"content": "again and again"}}]}\n\n' * 80_000)
