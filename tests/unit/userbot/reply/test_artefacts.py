"""What only a machine writes never leaves, in either language; and people's own words do."""

from __future__ import annotations

import pytest

from userbot.reply.artefacts import find_artefact

MARKS = [
    "[INST] hi",
    "[/INST]",
    "<|im_start|>user",
    "<|eot_id|>",
    "### Human: x",
    "### Response",
    "USER: hi",
    "ASSISTANT:",
    "<start_of_turn>model",
    "<end_of_turn>",
    "<<SYS>>",
    "<s>",
    "</s>",
    "ok\nHuman: hi",
    "<｜Assistant｜>",
    "**User:** x",
    "Clone: x",
    "<|assistant|>",
    "System: you",
    "[I\u200bNST]",
    "＜|im_end|＞",
    "<bos>",
    "[SYSTEM_PROMPT]",
]
THINKING = ["<think>ok</think> да", "</think>", "<thinking>", "<reasoning>", "< think >"]
TOOLS = [
    '<tool_call>{"a": 1}',
    '{"name": "get", "arguments": {}}',
    "<function=x>",
    "<invoke name=x>",
    '"tool_calls": [',
    '{"action": "f",\n "action_input": "x"}',
]
ASSISTANT = [
    "As an AI language model, I",
    "I'm an AI",
    "i am just a language model",
    "As a large language model",
    "I'm just an AI assistant",
    "I am ChatGPT",
    "How can I assist you today",
    "I can't assist with that",
    "as an artificial intelligence language model",
    "Как языковая модель, я не могу",
    "я всего лишь ИИ",
    "Я — языковая модель",
    "будучи искусственным интеллектом",
    "я чат-бот",
    "Я нейросеть",
    "как ИИ, я",
    "Я просто виртуальный помощник",
    "являюсь языковой моделью",
    "я искусственный интеллект",
    "мой системный промпт",
    "меня создала OpenAI",
    "Чем я могу вам помочь сегодня?",
]


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (MARKS, "a role marker in the text"),
        (THINKING, "thinking in the text"),
        (TOOLS, "a tool call in the text"),
        (ASSISTANT, "the words of an assistant"),
    ],
)
def test_machine_is_recognised(texts: list[str], problem: str) -> None:
    assert [text for text in texts if find_artefact(text) != problem] == []


@pytest.mark.parametrize(
    "text",
    [
        "ии, ну ты даёшь",
        "модель машины какая?",
        "user experience is bad",
        "мой ассистент на работе заболел",
        "I'm Gemini, born in June",
        "as a model she walks",
        "chatgpt написал мне письмо",
        "помочь сегодня?",
        "<3",
        "human after all",
        "как ии так быстро",
        "нейросеть нарисовала кота",
        "системный администратор",
        "[?] not sure",
        "I think so",
        "бот какой-то пишет",
    ],
)
def test_people_s_words_pass(text: str) -> None:
    assert find_artefact(text) is None
