"""How a reply is drawn: one set of defaults for settings and generators."""

from __future__ import annotations

from userbot.config.settings import Settings
from userbot.daemon.wiring import make_sampling
from userbot.domain.sampling import Sampling


def test_defaults_of_the_settings_are_these() -> None:
    assert make_sampling(Settings.model_fields["reply"].get_default()) == Sampling()


def test_each_reply_is_drawn_anew() -> None:
    assert Sampling().seed is None
    assert Sampling().temperature > 0
