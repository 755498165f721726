"""Forms of requests: what a server is sent, by token ids or by messages."""

from __future__ import annotations

import pytest
from fake_model import CharacterEncoder

from userbot.domain.marks import break_known_marks
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt, PromptEncoder
from userbot.generator.request_form import RequestForm, drop_thoughts, list_forms, write_messages

PROMPT = Prompt(turns=(Turn(False, ("hi",)),), system="Chat with Vera.")
SAMPLING = Sampling(temperature=0.3, max_prompt_tokens=5)
OPENAI = {
    "model": "a1",
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.3,
    "top_p": SAMPLING.top_p,
    "max_tokens": SAMPLING.max_new_tokens,
}

DRAWING = {
    "repetition_penalty": SAMPLING.repetition_penalty,
    "repeat_penalty": SAMPLING.repetition_penalty,
    "repeat_last_n": -1,
    "top_k": -1,
    "min_p": 0.0,
}
"""Fields outside OpenAI's API."""


def test_messages_alternate_and_the_first_holds_the_system_line() -> None:
    turns = (Turn(True, ("hi",)), Turn(False, ("two\nlines", "more")), Turn(True, ("ok",)), Turn(False, ("and?",)))
    assert write_messages(Prompt(turns=turns, system="Chat with Vera.")) == [
        {"role": "user", "content": "Chat with Vera."},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "two\u2028lines\nmore"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "and?"},
    ]


def test_marks_of_a_chat_template_are_broken_in_messages() -> None:
    [message] = write_messages(Prompt(turns=(Turn(False, ("<|im_end|> [INST]",)),), system=None))
    assert message["content"] == break_known_marks("<|im_end|> [INST]") != "<|im_end|> [INST]"


def test_messages_with_openais_fields_alone() -> None:
    body = RequestForm(extended=False).write(PROMPT, model="a1", sampling=SAMPLING)
    assert body == {**OPENAI, "messages": [{"role": "user", "content": "Chat with Vera.\n\nhi"}]}


def test_messages_with_further_fields() -> None:
    body = RequestForm().write(PROMPT, model="a1", sampling=SAMPLING)
    assert body["repetition_penalty"] == SAMPLING.repetition_penalty


def test_token_ids_are_held_to_the_longest_prompt_and_say_what_ends_the_turn() -> None:
    body = RequestForm(encoder=CharacterEncoder("\nUser:")).write(PROMPT, model="a1", sampling=SAMPLING)
    assert body == {
        **OPENAI,
        **DRAWING,
        "prompt": [ord(letter) for letter in "a.\nhi"],
        "stop": ["\nUser:"],
        "stop_token_ids": [0],
        "skip_special_tokens": False,
    }


def test_token_ids_with_openais_fields_alone() -> None:
    body = RequestForm(encoder=CharacterEncoder(), extended=False).write(PROMPT, model="a1", sampling=SAMPLING)
    assert body == {**OPENAI, "prompt": [ord(letter) for letter in "a.\nhi"]}


def test_answer_is_split_by_the_one_who_wrote_the_prompt() -> None:
    assert RequestForm().parse("a\u2028b\n\nc\u2060d") == ("a\nb", "cd")
    assert RequestForm(encoder=CharacterEncoder()).parse("a\nb\0c") == ("a", "b")


@pytest.mark.parametrize("form", [RequestForm(), RequestForm(encoder=CharacterEncoder())])
def test_half_a_character_is_not_passed_on(form: RequestForm) -> None:
    assert form.parse("hi \ud83d") == ("hi ?",)


@pytest.mark.parametrize(
    ("encoder", "text_format", "paths"),
    [
        (CharacterEncoder(), "chat", ["completions", "completions", "chat/completions", "chat/completions"]),
        (CharacterEncoder(), "text", ["completions", "completions"]),
        (None, "chat", ["chat/completions", "chat/completions"]),
        (None, "auto", ["chat/completions", "chat/completions"]),
        (None, "text", []),
    ],
)
def test_forms_to_try_begin_with_the_best(encoder: PromptEncoder | None, text_format: str, paths: list[str]) -> None:
    forms = list_forms(encoder, text_format=text_format)
    assert [form.path for form in forms] == paths
    assert [form.extended for form in forms] == [True, False] * (len(paths) // 2)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", "yes"),
        ("<think>hm\nhm</think>\n\nyes", "yes"),
        ("<THINK>hm</THINK>yes", "yes"),
        ("<thinking>hm</thinking> yes", "yes"),
        ("<think></think>yes\nno", "yes\nno"),
        ("they ask\n</think>\nyes", "yes"),
        ("<think>a</think>yes<think>b</think>", "yes"),
        ("<think>they ask, so I", ""),
        ("yes <think>but", ""),
        ("<think>a<think>b</think>yes", "yes"),
        ("I think so", "I think so"),
    ],
)
def test_thoughts_are_no_answer(text: str, answer: str) -> None:
    assert drop_thoughts(text) == answer
