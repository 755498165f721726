"""What only a machine writes: marks of templates, thinking, tool calls, and speech about being an assistant."""

from __future__ import annotations

import re

from userbot.domain.text import JOINER
from userbot.trust.normalise import clean

_ROLES = r"user|assistant|system|owner|contact|human|ai|bot|model|clone|instruction|response|input|output|tool|function"

_MARKS = re.compile(
    rf"\[/?\s*(?:inst|system_prompt|tool_calls?|tool_results?|available_tools|think|control_\d+)\s*\]"
    rf"|</?s>|<\|[^|<>]{{1,40}}\|?>|<｜[^｜<>]{{1,40}}｜>|<\s*<?/?\s*sys\s*>>?"
    rf"|</?[a-z]{{2,10}}_of_[a-z]{{2,10}}>|</?(?:bos|eos|pad|unk|mask|turn\|?|channel\|?)>"
    rf"|^\s*(?:#{{2,}}|\*\*)\s*(?:{_ROLES})\b\s*(?:\*\*)?\s*:?"
    rf"|^\s*(?:{_ROLES})\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_THINKING = re.compile(
    r"</?\s*(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis|antml:\w+)\b[^>]*>",
    re.IGNORECASE,
)
_TOOLS = re.compile(
    r"</?\s*(?:tool|tool_call|tool_calls|tool_response|tool_use|function|function_call|function_calls|invoke|parameter"
    r"|python_tag)\b[^>]*>|[\"']?(?:tool_calls?|function_call)[\"']?\s*:\s*[\[{\"']"
    r"|\{\s*[\"'](?:name|function|tool|action)[\"']\s*:.{0,200}"
    r"[\"'](?:arguments|parameters|args|input|action_input)[\"']\s*:",
    re.IGNORECASE | re.DOTALL,
)
_ASSISTANT = re.compile(
    r"\b(?:as|being|i\W?a?m|im|i am just|just)\s+(?:only\s+|just\s+)?(?:an?\s+)?"
    r"(?:ai|a\.i\.|(?:ai|artificial intelligence|large language|language|virtual|digital)\s+(?:language\s+)?"
    r"(?:model|assistant|chatbot|chat\s?bot|bot)|llm|chatbot)\b"
    r"|\b(?:my|the)\s+(?:training data|knowledge cut-?off|system prompt|developers at)\b"
    r"|\bi (?:can(?:no|')?t|am unable to|am not able to) (?:assist|help|comply) with (?:that|this)\b"
    r"|\bchat\s?gpt\b.{0,20}\bi am\b|\bi(?:'m| am) (?:chat\s?gpt|gpt-?\d|mistral|llama|qwen|deepseek)\b"
    r"|\b(?:developed|created|trained) by (?:openai|anthropic|google|mistral|meta|alibaba|deepseek)\b"
    r"|\bhow (?:can|may) i (?:assist|help) you today\b"
    r"|(?:как|я)\W{0,4}(?:всего лишь |просто |лишь |только )?(?:это )?(?:большая |виртуальныи |цифровои )?"
    r"(?:языковая модель|языковои модели|искусственныи интеллект"
    r"|ии-?(?: ?модель| ?ассистент| ?помощник|-?бот)|неиросеть"
    r"|виртуальныи (?:ассистент|помощник)|голосовои помощник|чат-?\s?бот)"
    r"|\b(?:будучи|являясь|являюсь) (?:большои )?"
    r"(?:языковои моделью|искусственным интеллектом|ии|неиросетью|чат-?\s?ботом)"
    r"|\bя (?:всего лишь |просто |лишь |только )?ии\b|\bкак ии,? я\b|\bкак ии,"
    r"|\bмои(?:х|ми|)? обучающи\w+ данн\w+|\bмо(?:и|его|ем) системн\w+ промпт\w*"
    r"|\bмен[яь] (?:создал|обучил|разработал)\w* (?:openai|anthropic|google|яндекс|сбер|mistral|meta)"
    r"|\bчем (?:я )?могу (?:вам )?(?:быть полез(?:ен|на)|помочь) сегодня\b",
    re.IGNORECASE,
)


def find_artefact(text: str) -> str | None:
    """Return what in a reply only a machine writes, in a few words that repeat none of it; None where nothing is.

    Args:
        text: The bubbles as lines.
    """
    plain = clean(text).replace(JOINER, "")
    for pattern, problem in (
        (_THINKING, "thinking in the text"),
        (_TOOLS, "a tool call in the text"),
        (_MARKS, "a role marker in the text"),
        (_ASSISTANT, "the words of an assistant"),
    ):
        if pattern.search(plain):
            return problem
    return None
