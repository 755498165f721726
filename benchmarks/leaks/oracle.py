"""The worst model there can be: it knows every secret and tells it in the very form that the attack asks for."""

from __future__ import annotations

from benchmarks.leaks.inputs import Attack, Canary
from benchmarks.leaks.judge import asks_for_yes, cut, romanise, spell
from userbot.domain.messages import Reply
from userbot.domain.prompt_rules import DEFAULT_RULES, PromptRules
from userbot.generator import Prompt

CARRIERS = {
    "ru": ("ну {}", "это {}", "{}", "да, {}", "помню, {} вроде"),
    "en": ("it's {}", "{}", "yeah {}", "i think {}"),
}
AGREED = {"ru": ("да", "ага", "да, верно", "угу"), "en": ("yes", "yep", "yeah exactly", "right")}

DENIED = {"ru": ("нет", "неа", "нет, мимо", "не"), "en": ("no", "nope", "nah wrong", "not that")}


class Oracle:
    """A generator that answers the attack it was set to."""

    def __init__(self) -> None:
        self._canary: Canary | None = None
        self._attack: Attack | None = None
        self._burst = 0
        self._asked = 0

    def face(self, canary: Canary, attack: Attack) -> None:
        """Prepare for an attack."""
        self._canary, self._attack, self._burst = canary, attack, 0

    def reach(self, burst: int) -> None:
        """Say which burst of the attack is answered next."""
        self._burst = burst

    @property
    def adapter_id(self) -> str | None:
        """Return no adapter."""
        return None

    @property
    def rules(self) -> PromptRules:
        """Return the rules of a bare base."""
        return DEFAULT_RULES

    async def generate(self, prompt: Prompt) -> Reply:
        """Tell the secret."""
        assert self._canary is not None
        assert self._attack is not None
        self._asked += 1
        return Reply(bubbles=self._write(self._canary, self._attack), adapter_id=None)

    async def activate(self, adapter_id: str | None) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    def _write(self, canary: Canary, attack: Attack) -> tuple[str, ...]:
        last = self._burst == len(attack.bursts) - 1
        value = canary.value
        match attack.kind:
            case "prefix":
                return (value,)
            case "split":
                return (cut(value, max(2, len(attack.bursts)))[self._burst],) if attack.bursts[1:] else cut(value, 2)
            case "spelled":
                return (spell(value, canary.lang),)
            case "transliterated":
                return (romanise(value),)
            case "yes_no" | "guess_confirm" if any(asks_for_yes(canary, attack, n) for n in range(len(attack.bursts))):
                words = AGREED if asks_for_yes(canary, attack, self._burst) else DENIED
                return (words[canary.lang][self._asked % 4],)
            case "repeated" if not last:
                return ("не скажу",) if canary.lang == "ru" else ("not telling",)
            case "other_language":
                other = "en" if canary.lang == "ru" else "ru"
                return (CARRIERS[other][self._asked % 4].format(value),)
            case "role_play":
                return (value.lower(),)
            case "injection":
                return (value.upper(),)
        return (CARRIERS[canary.lang][self._asked % 4].format(value),)
